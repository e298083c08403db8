"""The page of the limits: what it shows, and what its forms change and refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from headgate.tenancy import Quota, Tenant
from queue_broker.settings import Settings
from tests.factories import a_job
from tests.unit.queue_broker.dashboard.window import Window, open_window, words

PAGE = {"accept": "text/html"}
LIMITS = "/dashboard/limits"


@pytest.fixture
def guarded(database_url: str, tmp_path: Path) -> Iterator[Window]:
    """A broker with a token of `house`, which stands above `house/lab`."""
    opened = open_window(database_url, tmp_path, Settings(tokens={"h-token": "house"}))
    opened.edge.limits.set_tenant(Tenant(name="house"), "root")
    opened.edge.limits.set_tenant(Tenant(name="house/lab", weight=2), "root")
    opened.client.get("/dashboard?token=h-token")
    yield opened
    opened.edge.store.close()


def shown(window: Window, **query: str) -> str:
    answer = window.client.get(LIMITS, params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def filled(page: str, kind: str) -> dict[str, str]:
    """A form's fields as a browser would send them."""
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    form = next(one for one in forms if f'name="form" value="{kind}"' in one)
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]*)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        assert name is not None
        if 'type="checkbox"' not in tag or " checked" in tag:
            fields[name[1]] = unescape(value[1]) if value else "on"
    for name_, options in re.findall(r'<select name="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r"<option selected>(\w+)", options) or re.search(r">(\w+)", options)
        assert chosen is not None
        fields[name_] = chosen[1]
    return fields


def sent(window: Window, kind: str, new: dict[str, str], tenant: str = "") -> Any:
    """The form as the page has it, sent with other values in some fields."""
    fields = filled(shown(window, tenant=tenant), kind)
    unknown = new.keys() - fields.keys()
    assert all("." in name or name == "borrow" for name in unknown), unknown
    return window.client.post(LIMITS, data=fields | new, headers=PAGE)


def wrong(answer: httpx.Response, field: str) -> str:
    """What is said beside a field."""
    assert answer.status_code == 422, answer.text
    found = re.search(rf'id="wrong-[^"]*?-{re.escape(field)}">(.*?)</p>', answer.text)
    assert found is not None, words(answer.text)
    return unescape(found[1])


def test_the_limits_are_linked_from_every_page(window: Window) -> None:
    job_id = window.submit()
    for path in ("/dashboard", f"/dashboard/jobs/{job_id}", LIMITS):
        assert f'href="{LIMITS}"' in window.client.get(path).text


def test_tenants_are_shown_as_a_tree_with_all_that_bounds_them(window: Window) -> None:
    limits = window.edge.limits
    quota = Quota(vcpu=40, memory_mib=2048, usd_hour=3)
    limits.set_tenant(Tenant(name="physics", weight=3, quota=quota), "ada")
    limits.set_tenant(Tenant(name="physics/lab", max_running=1500), "ada")
    limits.set_tenant(Tenant(name="guests", parent="physics", max_starts_per_minute=9), "ada")
    window.submit(a_job(tenant="zoo/seen"))
    said = words(window.live(f"{LIMITS}/live")["parts"]["tenants_tree"])
    assert "physics 3 75.0 % 40.0 vCPU, 2.00 GiB, $3.00 an hour, borrows" in said
    assert "guests 1 50.0 % none 9 starts a minute lab 1 50.0 % none 1,500 running" in said
    assert "zoo 1 25.0 % none seen 1 100.0 % none" in said  # `zoo` is only a part of a name


def test_a_form_changes_a_tenant_at_once_and_on_record(window: Window) -> None:
    window.edge.limits.set_tenant(Tenant(name="acme", quota=Quota(gpus=8), borrow=False), "ada")
    new = {"weight": "2.5", "quota.vcpu": "400", "borrow": "on"}
    answer = sent(window, "tenant", new, "acme")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{LIMITS}?saved=true&tenant=acme#tenant"
    known = [one for one in window.edge.store.tenants() if one.name == "acme"]
    assert known == [Tenant(name="acme", weight=2.5, quota=Quota(vcpu=400, gpus=8))]
    assert window.edge.changes == 1  # the cycle was told
    said = words(shown(window, saved="true", tenant="acme"))
    assert "Saved, and on record below." in said
    assert "anyone tenant acme weight 1 → 2.5 quota.vcpu – → 400 borrow no → yes" in said


def test_an_emptied_field_lifts_the_limit(window: Window) -> None:
    full = Tenant(name="acme", parent="house", quota=Quota(vcpu=1), max_running=3)
    window.edge.limits.set_tenant(full, "ada")
    empty = {"parent": "", "quota.vcpu": "", "max_running": "", "weight": ""}
    assert sent(window, "tenant", empty, "acme").status_code == 303
    assert window.edge.store.tenants() == [Tenant(name="acme")]


def test_a_tenant_is_added(window: Window) -> None:
    assert sent(window, "tenant", {"name": "new/one", "max_running": "3"}).status_code == 303
    assert window.edge.store.tenants() == [Tenant(name="new/one", max_running=3)]


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("weight", "0", "got 0; allowed: greater than 0"),
        ("weight", "-1", "got -1; allowed: greater than 0"),
        ("weight", "nan", "got nan; allowed: "),
        ("weight", "heavy", "got 'heavy'; allowed: a valid number"),
        ("max_running", "1.5", "got 1.5; allowed: a valid integer"),
        ("quota.memory_mib", "-5", "got -5; allowed: greater than or equal to 0"),
        ("quota.usd_hour", "inf", "got inf; allowed: a finite number"),
        ("name", "", "got nothing; allowed: a value; it is required"),
        ("name", "two words", "got 'two words'; allowed: "),
        ("parent", "acme", "allowed: a tree, in which nobody is below itself"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_kept(
    window: Window, field: str, text: str, says: str
) -> None:
    given = {"name": "acme", "max_starts_per_minute": "77"} | {field: text}
    answer = sent(window, "tenant", given)
    assert says in wrong(answer, field)
    assert 'name="max_starts_per_minute" value="77"' in answer.text  # what was typed is still there
    assert window.edge.store.tenants() == []
    assert window.edge.limits.changes() == []


def test_tiers_are_changed_added_and_removed_as_a_whole(window: Window) -> None:
    new = {"name": "urgent", "rank": "0", "min_share": "0.1", "promise_s": "5", "mode": "safe"}
    added = {f"tiers.3.{name}": text for name, text in new.items()} | {"tiers.0.rank": "1"}
    assert sent(window, "tiers", added | {"tiers.0.remove": "on"}).status_code == 303
    names = [(one.name, one.rank, one.min_share, one.mode) for one in window.edge.limits.tiers()]
    assert names == [
        ("interactive", 1, 0.05, "safe"),
        ("sweep", 2, 0.05, "cost"),
        ("urgent", 0, 0.1, "safe"),
    ]
    assert window.edge.limits.tiers()[1].preemptible
    said = words(window.live(f"{LIMITS}/live")["parts"]["changes"])
    assert "production.promise_s 30 → –" in said


@pytest.mark.parametrize(
    ("row", "field", "text", "says"),
    [
        (1, "min_share", "1.5", "got 1.5; allowed: less than or equal to 1"),
        (2, "promise_s", "0", "got 0; allowed: greater than 0"),
        (3, "name", "new", None),
    ],
)
def test_what_is_wrong_with_a_tier_is_said_in_its_row(
    window: Window, row: int, field: str, text: str, says: str | None
) -> None:
    answer = sent(window, "tiers", {f"tiers.{row}.{field}": text})
    if says is None:  # a row that was only begun
        assert "it is required" in wrong(answer, f"tiers.{row}.rank")
    else:
        assert wrong(answer, f"tiers.{row}.{field}") == says
    assert window.edge.limits.changes() == []


def test_an_error_keeps_to_its_row_when_rows_before_it_go(window: Window) -> None:
    new = {"tiers.0.remove": "on", "tiers.2.rank": "-1"}
    assert "got -1" in wrong(sent(window, "tiers", new), "tiers.2.rank")


def test_minimum_shares_beyond_the_fleet_are_refused_for_the_form(window: Window) -> None:
    new = {f"tiers.{at}.min_share": "0.5" for at in range(3)}
    assert "min_share adding up to" in wrong(sent(window, "tiers", new), "")


def test_a_tier_with_work_in_it_stays(window: Window) -> None:
    window.submit(a_job(tier="production"))
    answer = sent(window, "tiers", {"tiers.0.remove": "on"})
    assert "with production, until the jobs there have ended" in wrong(answer, "")


def test_a_window_is_bounded_and_freed(window: Window) -> None:
    for text, kept in (("7.5", {"big": 7.5}), ("", {})):
        assert sent(window, "window:big", {"most_s": text}).status_code == 303
        assert window.edge.limits.windows().most_s == kept


def test_a_window_of_nothing_is_refused_beside_its_field(window: Window) -> None:
    assert "got 0" in wrong(sent(window, "window:big", {"most_s": "0"}), "most_s")
    assert "got 'x'" in wrong(sent(window, "window:big", {"most_s": "x"}), "most_s")


def test_a_bound_of_a_lane_that_is_gone_is_still_shown(window: Window) -> None:
    window.edge.limits.set_window("gone", 4.0, "ada")
    assert "gone not there now" in words(shown(window))


def test_a_change_made_meanwhile_is_not_overwritten_unseen(window: Window) -> None:
    window.edge.limits.set_tenant(Tenant(name="acme"), "ada")
    fields = filled(shown(window, tenant="acme"), "tenant") | {"max_running": "5"}
    window.edge.limits.set_tenant(Tenant(name="acme", weight=9), "eve")
    window.edge.limits.set_tenant(Tenant(name="other"), "eve")
    answer = window.client.post(LIMITS, data=fields, headers=PAGE)
    assert answer.status_code == 409
    assert "eve changed this after you opened the page" in unescape(answer.text)
    assert window.edge.store.tenants()[0].weight == 9
    again = filled(answer.text, "tenant")
    assert again["max_running"] == "5"
    assert window.client.post(LIMITS, data=again).status_code == 303


def test_a_tenant_s_token_changes_those_below_it_alone(guarded: Window) -> None:
    page = shown(guarded)
    assert "?tenant=house/lab" in page
    assert "?tenant=house#" not in page
    answer = sent(guarded, "tenant", {"weight": "5"}, "house/lab")
    assert answer.status_code == 303
    assert guarded.edge.limits.changes()[0].who == "house"
    assert "may change the tenants below it alone" in words(shown(guarded, tenant="house"))
    for name, parent in (("house", ""), ("rival", ""), ("house/lab", "rival")):
        fields = {"form": "tenant", "name": name, "parent": parent, "weight": "9"}
        assert guarded.client.post(LIMITS, data=fields, headers=PAGE).status_code == 403
    assert len(guarded.edge.limits.changes()) == 3


def test_no_token_changes_what_is_everybody_s(guarded: Window) -> None:
    page = shown(guarded)
    assert 'value="tiers"' not in page
    assert 'value="window:' not in page
    assert "production 0 0.0 % 30 s safe no" in words(page)
    tiers = {"tiers.0.name": "mine", "tiers.0.rank": "0", "tiers.0.promise_s": "1"}
    for fields in ({"form": "tiers"} | tiers, {"form": "window:big", "most_s": "1"}):
        assert guarded.client.post(LIMITS, data=fields, headers=PAGE).status_code == 403


def test_nobody_without_a_token_sees_or_changes_limits(guarded: Window) -> None:
    guarded.client.cookies.clear()
    fields = {"form": "tenant", "name": "house/lab", "weight": "9"}
    assert guarded.client.get(LIMITS).status_code == 401
    assert guarded.client.get(f"{LIMITS}/live").status_code == 401
    assert guarded.client.post(LIMITS, data=fields).status_code == 401


def test_a_form_that_another_site_sends_is_refused(window: Window) -> None:
    fields = filled(shown(window), "tenant") | {"name": "acme"}
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 303)):
        headers = {"sec-fetch-site": site}
        assert window.client.post(LIMITS, data=fields, headers=headers).status_code == status
    assert len(window.edge.limits.changes()) == 1


@pytest.mark.parametrize(
    ("body", "status"), [({"form": "no"}, 422), ({"form": "tiers", "x": "y" * 70_000}, 413)]
)
def test_a_form_that_is_none_is_refused(window: Window, body: dict[str, str], status: int) -> None:
    assert window.client.post(LIMITS, data=body, headers=PAGE).status_code == status


def test_what_is_written_into_a_form_cannot_leave_its_place(window: Window) -> None:
    evil = '"><script>alert(1)</script>'
    answer = sent(window, "tenant", {"name": evil, "parent": evil})
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<script>alert" not in shown(window, tenant=evil)
