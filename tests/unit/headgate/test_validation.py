"""What is allowed is said in few words, and none of them is of pydantic's or Python's inside."""

from __future__ import annotations

from typing import Any

import pytest

from headgate import Job
from headgate.errors import InvalidInput
from headgate.sweep import Grid


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"timeout_s": "soon"}, "timeout_s: got 'soon'; allowed: a valid integer"),
        ({"priority": 1.5}, "priority: got 1.5; allowed: a valid integer"),
        ({"resources": {"vcpu": "two"}}, "resources.vcpu: got 'two'; allowed: a valid number"),
        ({"memory": 4}, "this one is unknown; resources.memory_mib, perhaps"),
        ({"env": {}}, "this one is unknown; environment, perhaps"),
        ({"resources": {"cpu": 4}}, "this one is unknown; vcpu, perhaps"),
        ({"retry_strategy": {"evaluate_on_exit": [{"acton": "EXIT"}]}}, "; action, perhaps"),
        ({"zzz": 4}, "zzz: got 4; allowed: only documented fields; this one is unknown"),
        (
            {"queue": "my queue"},
            "allowed: letters, digits, - and _, at most 128, the first a letter or a digit",
        ),
        ({"tags": {str(n): "" for n in range(51)}}, "allowed: at most 50 items"),
    ],
)
def test_what_a_field_takes_is_said_in_few_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Job(name="train", command=["true"], **fields)
    assert str(refused.value).endswith(words)


def test_what_is_empty_is_told_how_much_it_wants() -> None:
    with pytest.raises(InvalidInput, match=r"^axes: got {}; allowed: at least 1 item$"):
        Grid(axes={})
