from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import InvalidInput
from headgate.job import Dependency, Input, Job, RetryStrategy
from headgate.resources import ResourceRequest
from queue_broker.cli.job_options import job_of, literal, memory_mib, name_of


def test_a_command_alone_is_a_job() -> None:
    assert job_of(command=["python", "train.py"]) == Job(
        name="train", command=("python", "train.py")
    )


def test_every_option_finds_its_field() -> None:
    job = job_of(
        command=["x"],
        name="etl",
        image="python:3.12",
        env=["A=1", "B=x=y"],
        param=["lr=0.1", "kind=sqrt", "on=true", "id=007"],
        input_=["s3://bucket/data=1024", "s3://bucket/other"],
        memory="4G",
        vcpu=2,
        gpus=1,
        queue="nightly",
        tier="production",
        tenant="acme",
        priority=7,
        tag=["team=vision"],
        after=["a", "b"],
        attempts=3,
        timeout=600,
    )

    assert job == Job(
        name="etl",
        command=("x",),
        image="python:3.12",
        environment={"A": "1", "B": "x=y"},
        parameters={"lr": 0.1, "kind": "sqrt", "on": True, "id": "007"},
        inputs=(Input(uri="s3://bucket/data", size_bytes=1024), Input(uri="s3://bucket/other")),
        resources=ResourceRequest(memory_mib=4096, vcpu=2, gpus=1),
        queue="nightly",
        tier="production",
        tenant="acme",
        priority=7,
        tags={"team": "vision"},
        depends_on=(Dependency(job_id="a"), Dependency(job_id="b")),
        retry_strategy=RetryStrategy(attempts=3),
        timeout_s=600,
    )


def test_a_local_inputs_size_is_found(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"x" * 123)

    assert job_of(command=["x"], input_=[str(path)]).input_bytes() == 123


def test_options_go_over_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"name": "etl", "command": ["x"], "tier": "sweep", "priority": 3}))

    job = job_of(file=path, tier="production")

    assert (job.name, job.tier, job.priority) == ("etl", "production", 3)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512", 512), ("512M", 512), ("4G", 4096), ("1.5GiB", 1536), ("2tb", 2097152), ("1 g", 1024)],
)
def test_memory_is_read_with_its_unit(text: str, mib: int) -> None:
    assert memory_mib("--memory", text) == mib


def test_a_gpu_is_asked_for_by_memory_and_model() -> None:
    asked = job_of(command=["x"], gpu_memory="20G", gpu_model="A10G").resources

    assert (asked.gpus, asked.gpu_memory_mib, asked.gpu_model) == (None, 20_480, "A10G")
    with pytest.raises(InvalidInput, match="--gpu-memory"):
        job_of(command=["x"], gpu_memory="lots")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("null", None),
        ("007", "007"),
        ("NaN", "NaN"),
        ("[1]", "[1]"),
        ('"a"', '"a"'),
        ("sqrt", "sqrt"),
    ],
)
def test_a_literal_is_a_number_where_json_has_one(text: str, value: object) -> None:
    assert literal(text) == value
    assert type(literal(text)) is type(value)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"command": ["python", "jobs/train.model.py"]}, "train-model"),
        ({"command": ["./simulate"]}, "simulate"),
        ({"definition": "etl:3"}, "etl-3"),
        ({"command": ["--"]}, "job"),
    ],
)
def test_a_job_without_a_name_is_named_for_what_it_runs(fields: dict[str, Any], name: str) -> None:
    assert name_of(fields) == name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "command: got \\[\\]; allowed: at least one token"),
        ({"command": ["x"], "memory": "big"}, "--memory: got 'big'"),
        ({"command": ["x"], "env": ["A"]}, "--env: got 'A'; allowed: NAME=VALUE"),
        ({"command": ["x"], "tag": ["=1"]}, "--tag: got '=1'; allowed: NAME=VALUE"),
        ({"command": ["x"], "attempts": 11}, "retry_strategy.attempts: got 11"),
        (
            {"command": ["x"], "timeout": 5},
            "timeout_s: got 5; allowed: greater than or equal",
        ),
        ({"file": Path("missing.json")}, "--file: got 'missing.json'; allowed: a job as JSON"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        job_of(**options)
