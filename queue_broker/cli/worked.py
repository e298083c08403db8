"""What ran, as demand: a broker's own history, or a table of one, for the packing commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import typer

from headgate.errors import InvalidInput
from packer.table import to_demands
from queue_broker.cli.kept import lake_of
from queue_broker.settings import read_settings

if TYPE_CHECKING:
    from packer.demand import Demand
    from queue_broker.cli.tables import Worked

#: Where a history, or a trace that `history export` wrote, tells each column of a demand: the first
#: that is known counts.
GIVEN = {
    "vcpu": ("allocation_vcpu", "request_vcpu", "vcpu"),
    "memory_mib": ("allocation_memory_mib", "request_memory_mib", "memory_mib"),
    "gpus": ("allocation_gpus", "request_gpus", "gpus"),
    "gpu_memory_mib": ("request_gpu_memory_mib", "estimate_gpu_memory_mib_p95"),
    "runtime_s": ("runtime_s", "duration_s"),
}
MEASURED = {
    "vcpu": ("cpu_s", "vcpu_used"),
    "memory_mib": ("peak_memory_mib", "memory_used_mib"),
    "gpu_memory_mib": ("gpu_memory_mib",),
}
WORDS = {"gpu_model": "request_gpu_model", "arch": "request_arch"}
#: What is read of a lake; the rest is the trace's.
COLUMNS = sorted(
    {name for names in (*GIVEN.values(), *MEASURED.values()) for name in names}
    - {"vcpu", "memory_mib", "gpus", "duration_s", "vcpu_used", "memory_used_mib"}
    | set(WORDS.values())
)


def is_past(frame: pd.DataFrame) -> bool:
    """A history, or a trace, as opposed to a table of demands: it tells when."""
    columns = set(frame.columns)
    return "finished_at_s" in columns or {"submit_time_s", "duration_s"} <= columns


def own_history(which: Worked) -> pd.DataFrame:
    """What ended in the last days; `InvalidInput` where nothing did."""
    settings = read_settings(data_dir=which.data_dir)
    since_s = time.time() - which.days * 86_400
    frame = lake_of(settings).read(since_s=since_s, columns=COLUMNS)
    if frame.empty:
        got = f"none, and nothing that ended within {which.days:g} days (--days)"
        allowed = f"a table of demands or a history, or one in {settings.data_dir} (--data-dir)"
        raise InvalidInput.of("FILE", got, allowed)
    return frame


def demands_of(frame: pd.DataFrame, used: bool) -> list[Demand]:
    """Attempts of one size, and of about one runtime, together; what tells no size is left out, and
    that is said."""
    rows = sized(frame, used)
    kept = rows[(rows[["vcpu", "memory_mib", "runtime_s"]] > 0).all(axis=1)]
    shape = [name for name in rows.columns if name != "runtime_s"]
    # A size whose runtimes differ is some demands: of Spot the long ones are to be kept off.
    kept = kept.assign(doublings=np.floor(np.log2(kept["runtime_s"])))
    grouped = kept.groupby([*shape, "doublings"], dropna=False)["runtime_s"]
    table = grouped.agg(runtime_s="mean", count="size").reset_index().drop(columns="doublings")
    note(len(kept), len(rows), len(table))
    return to_demands([{str(k): v for k, v in row.items()} for row in table.to_dict("records")])


def sized(frame: pd.DataFrame, used: bool) -> pd.DataFrame:
    """The columns of a demand, a row an attempt."""
    names = {name: [*(MEASURED.get(name, ()) if used else ()), *GIVEN[name]] for name in GIVEN}
    frame = frame.assign(cpu_s=busy(frame)) if "cpu_s" in frame else frame
    columns = {name: first(frame, sources) for name, sources in names.items()}
    columns |= {name: frame.get(source) for name, source in WORDS.items()}
    rows = pd.DataFrame(columns, index=frame.index)
    rows["gpus"] = rows["gpus"].fillna(0)
    rows["gpu_memory_mib"] = rows["gpu_memory_mib"].where(rows["gpus"] > 0)
    if used:
        rows["vcpu"] = np.ceil(rows["vcpu"])  # as AWS Batch sells them
        rows["memory_mib"] = np.ceil(rows["memory_mib"] / 64) * 64
    return rows


def busy(frame: pd.DataFrame) -> Any:
    """Cores kept busy on the average, of their seconds."""
    runtime_s = number(frame["runtime_s"])
    return number(frame["cpu_s"]) / runtime_s.where(runtime_s > 0)


def first(frame: pd.DataFrame, names: list[str]) -> Any:
    answer = pd.Series(np.nan, index=frame.index)
    for name in names:
        if name in frame:
            answer = answer.fillna(number(frame[name]))
    return answer


def number(column: Any) -> Any:
    return pd.to_numeric(column, errors="coerce").astype("float64")


def note(kept: int, read: int, shapes: int) -> None:
    """Beside the answer, which may be JSON."""
    words = f"{kept:,} attempts in {shapes:,} sizes"
    if kept < read:
        words += f"; {read - kept:,} more tell no size or runtime, and are left out"
    typer.echo(words, err=True)
