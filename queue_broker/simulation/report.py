"""Replays side by side: a table for the terminal, and an HTML page with plots."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from queue_broker.simulation.outcome import Outcome

#: Points of a curve on the page; more than a screen has pixels helps nobody.
POINTS = 600
#: As people call the rows of `Trace.shares`.
RESOURCES = ("vCPUs", "memory", "GPUs")

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headgate: replay</title>
<style>body{{font:16px system-ui;max-width:1100px;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{padding:.3rem .8rem;text-align:right;
border-bottom:1px solid #ddd}}td:first-child,th:first-child{{text-align:left}}</style>
</head><body><h1>{title}</h1>{table}{plots}</body></html>
"""


def figures(outcomes: Sequence[Outcome], tiers: Sequence[str]) -> list[tuple[str, list[str]]]:
    """One row a figure, one cell an outcome."""
    summaries = [outcome.summary(tiers) for outcome in outcomes]
    names = list(dict.fromkeys(name for summary in summaries for name in summary))
    return [
        (name, [show(summary[name]) if name in summary else "" for summary in summaries])
        for name in names
    ]


def show(value: float) -> str:
    if not np.isfinite(value):
        return "never"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def write_html(path: Path, outcomes: Sequence[Outcome], tiers: Sequence[str]) -> None:
    """One self-contained page: the table, the waits by tier, and the use over time."""
    import plotly.io

    charts = [waits(outcomes, tier) for tier in tiers] + [use_over_time(outcomes)]
    plots = [
        plotly.io.to_html(chart, full_html=False, include_plotlyjs=(place == 0))
        for place, chart in enumerate(charts)
    ]
    title = f"Replay of {len(outcomes[0].trace):,} tasks"
    page = PAGE.format(title=title, table=html_table(outcomes, tiers), plots="".join(plots))
    path.write_text(page, encoding="utf-8")


def html_table(outcomes: Sequence[Outcome], tiers: Sequence[str]) -> str:
    heads = "".join(f"<th>{escape(outcome.policy)}</th>" for outcome in outcomes)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for name, cells in figures(outcomes, tiers)
    )
    return f"<table><tr><th></th>{heads}</tr>{rows}</table>"


def waits(outcomes: Sequence[Outcome], tier: str) -> object:
    """How much of a tier waits how long, on a logarithmic axis."""
    import plotly.graph_objects as go

    chart = go.Figure()
    for outcome in outcomes:
        waited = np.sort(outcome.wait_s[outcome.of_tier(tier)])
        waited = waited[np.isfinite(waited)]
        if len(waited):
            at = np.unique(np.linspace(0, len(waited) - 1, POINTS).astype(int))
            chart.add_scatter(
                x=np.maximum(waited[at], 0.1), y=(at + 1) / len(waited), name=outcome.policy
            )
    chart.update_layout(title=f"{tier}: share of tasks that had started, by wait")
    chart.update_xaxes(type="log", title="seconds from submission to start")
    chart.update_yaxes(title="share of tasks")
    return chart


def use_over_time(outcomes: Sequence[Outcome]) -> object:
    """The resource that the trace needs most: what is in use of it, as a share of the fleet's."""
    import plotly.graph_objects as go

    chart = go.Figure()
    for outcome in outcomes:
        at, used = share_in_use(outcome)
        chart.add_scatter(x=at / 3600, y=used, name=outcome.policy)
    first = outcomes[0]
    chart.update_layout(title="use of the fleet")
    chart.update_xaxes(title="hours")
    resource = RESOURCES[first.trace.scarcest(first.total)]
    chart.update_yaxes(title=f"share of its {resource}", range=[0, 1.05])
    return chart


def share_in_use(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """The moments of a grid, and what part of the fleet runs then."""
    account, held = outcome.account, outcome.held
    start, end = np.array(account.start_s), np.array(account.end_s)
    grid = np.linspace(start.min(initial=0.0), end.max(initial=1.0), POINTS)

    def until(times: np.ndarray) -> np.ndarray:
        order = np.argsort(times)
        total = np.concatenate([[0.0], np.cumsum(held[order])])
        return np.asarray(total[np.searchsorted(times[order], grid, side="right")])

    return grid, until(start) - until(end)
