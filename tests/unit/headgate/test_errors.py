from __future__ import annotations

import re

import pytest

from headgate import errors
from headgate.errors import BY_CODE, HeadgateError, InvalidInput, Problem, Unavailable, from_dict


def every_kind(kind: type[HeadgateError]) -> set[type[HeadgateError]]:
    return {kind}.union(*(every_kind(child) for child in kind.__subclasses__()))


def test_the_drawing_shows_every_error_and_no_other() -> None:
    drawn = set(re.findall(r"(?:─ |^    )([A-Z]\w+)", errors.__doc__ or "", flags=re.M))

    assert drawn == {kind.__name__ for kind in every_kind(HeadgateError)}


def test_every_error_has_a_code_of_its_own() -> None:
    assert set(BY_CODE.values()) == every_kind(HeadgateError)


@pytest.mark.parametrize("kind", [BY_CODE[code] for code in sorted(BY_CODE)])
def test_an_error_comes_out_of_its_answer_as_it_went_in(kind: type[HeadgateError]) -> None:
    error = kind([Problem("a", "1", "2")]) if issubclass(kind, InvalidInput) else kind("no")

    again = from_dict(error.as_dict())

    assert type(again) is kind
    assert str(again) == str(error)


def test_a_retry_hint_survives_the_wire() -> None:
    assert from_dict(Unavailable("away", retry_after_s=3).as_dict()).retry_after_s == 3


def test_an_unknown_code_is_still_an_error() -> None:
    assert str(from_dict({"error": "of tomorrow", "message": "new"})) == "new"


def test_an_error_without_words_says_its_docstring() -> None:
    assert str(errors.Throttled()) == "Too many requests."
