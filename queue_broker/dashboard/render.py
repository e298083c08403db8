"""Templates, and what they all are given."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from queue_broker.dashboard import assets, wording

OVERVIEW_PARTS = (
    "notices", "tiles", "sampled", "lanes", "queue", "waste", "model", "held", "jobs",
)  # fmt: skip
JOB_PARTS = ("summary", "states", "shapes", "task_now")
LIMITS_PARTS = ("tenants_tree", "changes")
FILTERS = (
    "count",
    "number",
    "memory",
    "duration",
    "ago",
    "percent",
    "error",
    "moment",
    "usd",
    "tasks",
    "attempts",
    "quota",
    "caps",
    "setting",
)


@cache
def environment() -> Environment:
    """Escapes by itself, and refuses a name that nobody gave rather than showing nothing."""
    templates = Environment(
        loader=PackageLoader("queue_broker.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update({name: getattr(wording, name) for name in FILTERS})
    templates.filters["with_code"] = with_code
    return templates


def with_code(words: str) -> Markup:
    """Words in which `names` are code, as docstrings write them."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704


def page(name: str, home: str, **values: Any) -> str:
    """A whole page. `home` is the address of the dashboard, proxies in front of it included."""

    def static(asset: str) -> str:
        return f"{home}/{assets.address(asset)}"

    template = environment().get_template(f"{name}.html")
    return template.render(home=home, static=static, plotly=static(assets.PLOTLY), **values)


def parts(names: tuple[str, ...], **values: Any) -> dict[str, str]:
    """Each part of a page by its name, as the page has it when it is loaded anew."""
    return {name: part(name, **values) for name in names}


def part(name: str, **values: Any) -> str:
    return environment().get_template(f"parts/{name}.html").render(values).strip()
