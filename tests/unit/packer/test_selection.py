from __future__ import annotations

import random

import pytest

from headgate.errors import InvalidInput
from packer.catalogue_file import built_in, read_rows, to_types
from packer.selection import Selection, generation, select

TYPES = to_types(read_rows(built_in()))


def test_by_default_only_ordinary_current_types_are_considered() -> None:
    names = {kind.name for kind in select(TYPES, Selection())}
    assert {"m5.large", "c7g.large", "g4dn.xlarge", "p5.48xlarge", "r6id.large"} <= names
    assert not names & {"t3.large", "m4.large", "m5.metal", "u-6tb1.56xlarge", "trn1.2xlarge"}


def test_families_and_architectures_are_kept_as_asked() -> None:
    names = {kind.name for kind in select(TYPES, Selection(families=("m5.", "t3"), arch="x86_64"))}
    assert "m5.large" in names
    assert "t3.large" in names
    assert not any(name.startswith(("m5a", "c5", "t4g")) for name in names)


@pytest.mark.parametrize(
    ("name", "expected"), [("m5.large", 5), ("c6id.large", 6), ("g4dn.xlarge", 99), ("z.large", 0)]
)
def test_generations_are_read_from_names(name: str, expected: int) -> None:
    assert generation(name) == expected


def test_a_few_types_are_varied_and_the_same_in_any_order() -> None:
    few = select(TYPES, Selection(arch="x86_64", at_most=60))
    shuffled = list(TYPES)
    random.Random(5).shuffle(shuffled)
    assert select(shuffled, Selection(arch="x86_64", at_most=60)) == few
    assert len(few) == 60
    assert {kind.name[0] for kind in few} >= {"c", "m", "r", "g", "p"}


def test_at_most_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at_most: got 0"):
        select(TYPES, Selection(at_most=0))
