from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.pods import check_pod

NEEDED = {"limits": {"cpu": "1", "memory": "64Mi"}}


def asking(limits: dict[str, str], requests: dict[str, str] | None = None) -> dict[str, Any]:
    """A pod with one container that asks for this."""
    resources = {"limits": limits} | ({"requests": requests} if requests else {})
    return {"containers": [{"image": "busybox", "resources": resources}]}


A = {"name": "a", "resources": NEEDED}
NAMED: dict[str, Any] = {
    "containers": [A, A | {"name": "b"}],
    "initContainers": [{"name": "c"}],
}
MOUNTED: dict[str, Any] = {"containers": [A | {"volumeMounts": [{"name": "data"}]}]}
RESERVED = "the Kubernetes reserved namespaces."


def empty(**more: str) -> dict[str, Any]:
    return MOUNTED | {"volumes": [{"name": "data", "emptyDir": more}]}


def described(**metadata: Any) -> dict[str, Any]:
    return {"containers": [A], "metadata": metadata}


@pytest.mark.parametrize(
    "pod",
    [
        NAMED,
        MOUNTED | {"volumes": [{"name": "data"}]},
        empty(medium="Memory", sizeLimit="100Mi"),
        asking({"memory": "64Mi", "cpu": "0.25"}),
        asking({"memory": "64Mi"}, {"cpu": "0.25"}),
        asking({"memory": "64Mi", "cpu": "2"}, {"memory": "64Mi", "cpu": "1.5"}),
        described(labels={"team/of": "a-b", "k": ""}, annotations={"a": "b c"}, namespace="n"),
    ],
)
def test_a_pod_that_can_run_is_taken(pod: dict[str, Any]) -> None:
    check_pod(pod)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({}, "Containers must be provided for Batch on EKS jobs."),
        (NAMED | {"initContainers": [{"name": "a"}]}, "The container name: a must be unique in"),
        (MOUNTED, "The volumeMounts name is required for eksProperties."),
        (empty(medium="Disk"), "Invalid Volume mount. Allowed values - Memory or null."),
        (empty(sizeLimit="1Gi"), "Invalid empty dir size limit."),
        (asking({"cpu": "1"}), "cpu and memory resources must be provided."),
        (asking({"memory": "64Mi"}), "cpu and memory resources must be provided."),
        (asking({"memory": "1Gi"}), "Value 1Gi for type memory is not valid."),
        (asking({"memory": "3Mi"}), "Value 3Mi for type memory is not valid."),
        (asking({"cpu": "0.3"}), "Value 0.3 for type cpu in resources is not valid. Provide a val"),
        (asking({"cpu": "nan"}), "Value nan for type cpu"),
        (asking({"cpu": "500m"}), "Value 500m for type cpu"),
        (asking({}, {"cpu": "0"}), "Value 0 for type cpu"),
        (asking({"nvidia.com/gpu": "0.5"}), "Value 0.5 for type nvidia.com/gpu in resources"),
        (asking({"amd.com/gpu": "1"}), "amd.com/gpu is not a supported type for resources."),
        (asking({"memory": "64Mi"}, {"memory": "32Mi"}), "memory request must be equal to memory"),
        (asking({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "2"}), "gpu request must be equal to"),
        (asking({"cpu": "1"}, {"cpu": "2"}), "cpu request must be <= to cpu limit if both are"),
        (described(namespace="default"), "cannot be the default Kubernetes namespace."),
        (described(namespace="kube-system"), "cannot be a reserved Kubernetes system namespace."),
        (
            described(labels={"k": "a" * 64}),
            "The pod label value a+ does not match a valid pattern",
        ),
        (described(labels={"-k": "a"}), "The name -k of the pod label key does not match a valid"),
        (described(labels={"k8s.io/a": "b"}), f"The prefix k8s.io of the pod label .*{RESERVED}"),
        (described(annotations={"a.kubernetes.io/a": "b"}), f"of the pod annotation .*{RESERVED}"),
    ],
)
def test_a_pod_that_could_not_run_is_refused(pod: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_pod(pod)
