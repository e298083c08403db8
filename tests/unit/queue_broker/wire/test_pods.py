from __future__ import annotations

from typing import Any

import pytest

from queue_broker.wire.faults import Fault
from queue_broker.wire.pods import check_pod


def asking(limits: dict[str, str], requests: dict[str, str] | None = None) -> dict[str, Any]:
    """A pod with one container that asks for this."""
    resources = {"limits": limits} | ({"requests": requests} if requests else {})
    return {"containers": [{"image": "busybox", "resources": resources}]}


NAMED = {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "c"}]}
MOUNTED: dict[str, Any] = {"containers": [{"volumeMounts": [{"name": "data"}]}]}


@pytest.mark.parametrize(
    "pod",
    [
        NAMED,
        MOUNTED | {"volumes": [{"name": "data"}]},
        asking({"memory": "64Mi", "cpu": "0.25"}),
        asking({"memory": "64Mi", "cpu": "2"}, {"memory": "64Mi", "cpu": "1.5"}),
    ],
)
def test_a_pod_that_can_run_is_taken(pod: dict[str, Any]) -> None:
    check_pod(pod)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({}, "podProperties must contain at least one container"),
        (NAMED | {"initContainers": [{"name": "a"}]}, "got a name twice"),
        (MOUNTED, "volumeMounts: got 'data'"),
        (asking({"memory": "1Gi"}), "limits.memory: got '1Gi'"),
        (asking({"memory": "3Mi"}), "at least 4Mi"),
        (asking({"cpu": "0.3"}), "a multiple of 0.25"),
        (asking({"cpu": "nan"}), "a multiple of 0.25"),
        (asking({"cpu": "500m"}), "a multiple of 0.25"),
        (asking({}, {"cpu": "0"}), "requests.cpu: got '0'"),
        (asking({"memory": "64Mi"}, {"memory": "32Mi"}), "the same in limits and requests"),
        (asking({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "2"}), "the same in limits"),
        (asking({"cpu": "1"}, {"cpu": "2"}), "a limit no less than what is requested"),
    ],
)
def test_a_pod_that_could_not_run_is_refused(pod: dict[str, Any], words: str) -> None:
    with pytest.raises(Fault, match=words):
        check_pod(pod)
