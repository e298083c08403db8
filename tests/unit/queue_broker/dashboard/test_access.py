"""Who may look, and what browsers may load and keep."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.errors import Unavailable
from queue_broker.settings import Settings
from tests.unit.queue_broker.dashboard.window import Browser, Window, open_window

PAGE = {"accept": "text/html"}


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Window]:
    opened = open_window(database_url, tmp_path, Settings(tokens={"s3cret": "acme"}))
    yield opened
    opened.edge.store.close()


def test_without_a_token_the_page_says_how_to_give_one(guarded: Window) -> None:
    answer = guarded.client.get("/dashboard", headers=PAGE)
    assert answer.status_code == 401
    assert "/dashboard?token=TOKEN" in answer.text
    assert '<form class="buttons" method="get" action="/dashboard">' in answer.text
    assert '<input type="password" name="token"' in answer.text


@pytest.mark.parametrize("path", ["/dashboard/live", "/dashboard/jobs/x", "/dashboard/jobs/x/live"])
def test_every_address_with_data_is_guarded(guarded: Window, path: str) -> None:
    assert guarded.client.get(path).status_code == 401


def test_a_token_in_the_address_becomes_a_cookie_that_no_script_reads(guarded: Window) -> None:
    answer = guarded.client.get("/dashboard?token=s3cret&x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "dashboard?x=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/dashboard" in cookie
    assert guarded.client.get("/dashboard").status_code == 200
    assert Browser(guarded.app).get("/dashboard").status_code == 401


def test_a_wrong_token_becomes_no_cookie(guarded: Window) -> None:
    answer = guarded.client.get("/dashboard?token=wrong", headers=PAGE)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "does not know this token" in answer.text


def test_a_script_may_send_the_token_as_the_api_takes_it(guarded: Window) -> None:
    sent = {"authorization": "Bearer s3cret"}
    assert guarded.client.get("/dashboard/live", headers=sent).status_code == 200


def test_the_cookie_opens_the_dashboard_and_not_the_api(guarded: Window) -> None:
    guarded.client.get("/dashboard?token=s3cret")
    assert guarded.client.get("/jobs").status_code == 401


def test_nothing_is_loaded_from_another_host(window: Window) -> None:
    page = window.client.get("/dashboard").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any("plotly" in address for address in loaded)
    assert all(address.startswith(("/dashboard", "#")) for address in loaded)
    for address in loaded:
        if "/static/" in address:
            assert window.client.get(address).status_code == 200


def test_assets_are_kept_for_ever_and_come_packed(window: Window) -> None:
    page = window.client.get("/dashboard").text
    address = re.search(r'src="([^"]+plotly.min.js)"', page)
    assert address is not None
    answer = window.client.get(address[1], headers={"accept-encoding": "gzip"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.lstrip().startswith("/**")
    assert len(gzip.compress(answer.content, 1)) > 1_000_000


def test_there_are_no_other_files(window: Window) -> None:
    assert window.client.get("/dashboard/static/1/..%2Froutes.py").status_code == 404
    assert window.client.get("/dashboard/static/1/board.py").status_code == 404


def test_pages_are_never_kept_and_run_only_our_scripts(window: Window) -> None:
    headers = window.client.get("/dashboard").headers
    assert headers["cache-control"] == "no-store"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]


def test_a_store_that_is_away_is_said_in_words_for_people(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(after: int, limit: int) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(window.edge.store, "observations", away)
    answer = window.client.get("/dashboard", headers=PAGE)
    assert (answer.status_code, "cannot answer just now" in answer.text) == (503, True)
    assert window.client.get("/dashboard/live").json()["error"] == "unavailable"


def test_a_proxys_prefix_is_in_every_address(window: Window) -> None:
    window.client.root_path = "/headgate"
    loaded = re.findall(r'(?:src|href|data-live)="([^"#]+)"', window.client.get("/dashboard").text)
    assert loaded
    assert all(address.startswith("/headgate/dashboard") for address in loaded)
