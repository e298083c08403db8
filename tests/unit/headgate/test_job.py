from __future__ import annotations

import pytest

from headgate.errors import InvalidInput
from headgate.job import Dependency, Job, fill
from headgate.resources import ResourceRequest
from headgate.validation import parse

GOOD = {"name": "train", "command": ["python", "train.py"]}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"command": []}, "command: got []; allowed: at least one token, or a job definition"),
        ({"command": ["  "]}, "command: got ['  ']"),
        ({"name": "a b"}, "name: got 'a b'"),
        ({"resources": {"memory_mib": -1}}, "resources.memory_mib: got -1; allowed: greater than"),
        ({"resources": {"vcpu": "two"}}, "resources.vcpu: got 'two'; allowed: a valid number"),
        ({"resources": {"vcpu": float("nan")}}, "resources.vcpu: got nan"),
        ({"timeout_s": 59}, "timeout_s: got 59; allowed: greater than or equal to 60"),
        ({"timeout_s": 2**31}, "timeout_s: got 2147483648; allowed: less than or equal to"),
        ({"retry_strategy": {"attempts": 11}}, "retry_strategy.attempts: got 11"),
        ({"depends_on": [{"job_id": "x"}] * 21}, "depends_on: got"),
        ({"memory": 4}, "memory: got 4; allowed: only documented fields"),
    ],
)
def test_a_bad_job_is_refused_by_field(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(Job, {**GOOD, **wrong})
    assert words in str(refused.value)


def test_a_bad_job_made_in_python_raises_the_same_words_as_the_broker_answers() -> None:
    with pytest.raises(InvalidInput, match="command: got \\[\\]; allowed: at least one token"):
        Job(name="train")
    with pytest.raises(InvalidInput, match="memory_mib: got 0; allowed: greater than 0"):
        ResourceRequest(memory_mib=0)


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(Job, {"name": "", "resources": {"gpus": -1, "memory_mib": 0}})
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"name", "resources.gpus", "resources.memory_mib"}


def test_a_command_is_filled_from_the_parameters() -> None:
    command = ("train", "--rate", "Ref::rate", "--out=Ref::name.bin", "Ref::unknown", "Ref::dry")

    filled = fill(command, {"rate": 0.1, "name.bin": "x", "dry": True})

    assert filled == ("train", "--rate", "0.1", "--out=x", "Ref::unknown", "true")


def test_a_job_goes_through_json_unchanged() -> None:
    job = parse(Job, {**GOOD, "parameters": {"a": 1, "b": 1.5, "c": True, "d": None, "e": "1"}})

    assert parse(Job, job.model_dump_json()) == job


def test_input_sizes_add_up_where_they_are_known() -> None:
    inputs = [{"uri": "s3://b/a", "size_bytes": 5}, {"uri": "s3://b/b"}]

    assert parse(Job, {**GOOD, "inputs": inputs}).input_bytes() == 5
    assert parse(Job, {**GOOD, "inputs": inputs[1:]}).input_bytes() is None


def test_lists_are_taken_and_kept_as_what_does_not_change() -> None:
    job = Job(name="train", command=["a", "b"], depends_on=[Dependency(job_id="first")])

    assert job.command == ("a", "b")
    assert job.depends_on == (Dependency(job_id="first"),)
    assert Job.model_validate_json(job.model_dump_json()) == job


def test_a_command_in_one_string_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"command: got 'python train.py'; allowed: a list"):
        Job(name="train", command="python train.py")


def test_a_slip_in_a_field_s_name_is_refused_here_and_by_type_checkers() -> None:
    # `make check` fails where mypy has nothing to ignore in this line.
    with pytest.raises(InvalidInput, match=r"comand: got .*; allowed: only documented fields"):
        Job(name="train", command=["x"], comand=["x"])  # type: ignore[call-arg]


def test_a_parameter_that_is_no_scalar_is_one_problem() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(Job, GOOD | {"parameters": {"p": [1], "str": {}, "fine": 1}})
    allowed = "a string, a number, true, false or null"
    assert str(caught.value).splitlines() == [
        f"parameters.p: got [1]; allowed: {allowed}",
        f"parameters.str: got {{}}; allowed: {allowed}",
    ]


def test_a_variable_that_is_called_like_a_kind_keeps_its_name() -> None:
    with pytest.raises(InvalidInput, match=r"environment\.str: got None"):
        parse(Job, GOOD | {"environment": {"str": None}})
