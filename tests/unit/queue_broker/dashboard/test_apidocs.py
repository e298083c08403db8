"""The page of the API says what the OpenAPI document says, and loads nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest

from queue_broker.dashboard.apidocs import kind
from queue_broker.dashboard.render import with_code
from tests.unit.queue_broker.dashboard.window import Window, words


def test_every_route_and_model_is_there(window: Window) -> None:
    document = window.client.get("/openapi.json").json()

    page = window.client.get("/dashboard/api")

    said = words(page.text)
    assert page.status_code == 200
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in said
    assert 'id="Job"' in page.text
    assert 'answers list of <a href="#Shape">Shape</a>' in page.text
    assert "priority integer, at least 0, at most 9,999 0 order within the tenant" in said


def test_the_values_of_a_word_are_listed_where_its_name_leads(window: Window) -> None:
    page = window.client.get("/dashboard/api").text

    assert '<td class="kind"><a href="#State">State</a> or null</td>' in page
    assert "SUBMITTED PENDING RUNNABLE STARTING RUNNING SUCCEEDED FAILED" in words(page)
    assert 'id="State"' in page


def test_names_in_sentences_are_set_as_code(window: Window) -> None:
    page = window.client.get("/dashboard/api").text

    assert "than <code>seen</code>, or has finished" in page
    assert "`" not in words(page)


def test_what_is_set_as_code_cannot_leave_its_place() -> None:
    assert with_code("a `<b>` c") == "a <code>&lt;b&gt;</code> c"


def test_the_usual_address_leads_there(window: Window) -> None:
    assert window.client.get("/docs").headers["location"] == "/dashboard/api"


def test_nothing_comes_from_another_host(window: Window) -> None:
    page = window.client.get("/dashboard/api").text

    assert not re.findall(r"(?:src|href)=\"https?://", page)
    assert 'id="live"' not in page


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/components/schemas/Job"}, "Job"),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            "list of string, items at most 20",
        ),
        (
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "integer, at least 1 or null",
        ),
        ({"enum": ["a", "b"]}, "a | b"),
        ({"const": "SPOT"}, "SPOT"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "object of string by name",
        ),
        ({}, "any"),
    ],
)
def test_a_type_is_told_in_a_few_words(schema: dict[str, Any], said: str) -> None:
    assert kind(schema) == said
