"""Forms of the limits: what somebody filled in, as values or as what is wrong with each field.

The checks are the models' own, so that a form and the API refuse the same, in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.errors import InvalidInput, Problem
from headgate.tenancy import Tenant, Tier
from headgate.validation import parse
from queue_broker.core.limits import Tiers, Windows

QUOTA = ("vcpu", "memory_mib", "gpus", "usd_hour")
#: Fields of a tenant that are left out where they are empty.
TENANT = ("name", "weight", "parent", "max_running", "max_starts_per_minute")
TIER = ("name", "rank", "min_share", "promise_s", "mode")
ROW = re.compile(r"tiers\.(\d{1,3})\.")


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it is filled in: values and problems by field. The problem of "" is of the whole.

    `kind`: tenant, tiers, or window:LANE.
    """

    kind: str
    values: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def refused(self, error: InvalidInput, places: Sequence[int] = ()) -> Filled:
        """With what was wrong beside each field; `places` are the rows that were looked at."""
        found = error.problems or [Problem("form", "this", str(error))]
        said: dict[str, str] = {}
        for one in found:
            name = self._field(one.field, places)
            words = f"got {one.got}; allowed: {one.allowed}" if name else str(one)
            said[name] = f"{said[name]}; {words}" if name in said else words
        return Filled(self.kind, self.values, said)

    def _field(self, path: str, places: Sequence[int]) -> str:
        """The field of the form that an error's path leads to; "" for none of them."""
        if path == "tenants.parent":
            return "parent"
        row = ROW.match(path)
        if row and int(row[1]) < len(places):
            return f"tiers.{places[int(row[1])]}.{path[row.end() :]}"
        if path.startswith("most_s."):
            return "most_s"
        return path if path in TENANT or path.startswith("quota.") else ""


def of_tenant(tenant: Tenant) -> Filled:
    told = tenant.model_dump(exclude={"quota", "borrow"})
    quota = tenant.quota.model_dump() if tenant.quota else {}
    told |= {f"quota.{name}": quota.get(name) for name in QUOTA}
    values = {name: shown(value) for name, value in told.items()}
    return Filled("tenant", values | ({"borrow": "on"} if tenant.borrow else {}))


def of_tiers(tiers: Iterable[Tier]) -> Filled:
    values: dict[str, str] = {}
    for at, tier in enumerate(tiers):
        told = tier.model_dump()
        values |= {f"tiers.{at}.{name}": shown(told[name]) for name in TIER}
        values |= {f"tiers.{at}.preemptible": "on"} if tier.preemptible else {}
    return Filled("tiers", values)


def to_tenant(form: Filled) -> Tenant:
    """`InvalidInput` names each wrong field."""
    data = {name: number(form.value(name)) for name in TENANT if form.value(name)}
    for name in ("name", "parent"):
        data |= {name: form.value(name)} if form.value(name) else {}
    quota = {name: one for name in QUOTA if (one := number(form.value(f"quota.{name}"))) != ""}
    borrow = form.value("borrow") == "on"
    return parse(Tenant, data | {"borrow": borrow} | ({"quota": quota} if quota else {}))


def to_tiers(form: Filled, places: Sequence[int]) -> Sequence[Tier]:
    """The tiers in these rows. `InvalidInput` names each wrong field."""
    return parse(Tiers, {"tiers": [row_of(form, at) for at in places]}).tiers


def row_of(form: Filled, at: int) -> dict[str, Any]:
    given = {name: form.value(f"tiers.{at}.{name}") for name in TIER}
    row = {name: number(text) for name, text in given.items() if text}
    named = {name: given[name] for name in ("name", "mode") if given[name]}
    return row | named | {"preemptible": form.value(f"tiers.{at}.preemptible") == "on"}


def rows(form: Filled) -> list[int]:
    """The rows that say something and are not to go."""
    found = sorted({int(row[1]) for name in form.values if (row := ROW.match(name))})
    return [
        at
        for at in found
        if form.value(f"tiers.{at}.remove") != "on"
        and any(form.value(f"tiers.{at}.{name}") for name in ("name", "rank", "promise_s"))
    ]


def to_bound(form: Filled, lane: str) -> float | None:
    """The most seconds that may wait; None where the field is empty. `InvalidInput`."""
    text = form.value("most_s")
    return parse(Windows, {"most_s": {lane: number(text)}}).most_s[lane] if text else None


def number(text: str) -> int | float | str:
    """As JSON would have it, so that a refusal shows what was meant; text where it is no number."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def shown(value: Any) -> str:
    """As a field shows it; whole numbers without a point."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None else str(value)
