"""The broker's peak memory while a table sweep of 10^6 tasks is submitted, estimated and drained.

The broker serves in a process of its own, so that its VmHWM is the broker's alone: the model, the
predictor's history and the engine's account of every start are in it. With PATH, a table of your
own is sent.

Caveats: pages that the database's process or the kernel's cache hold are not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import headgate
from benchmarks.report import Options, Result, main
from benchmarks.stages import POSTGRES, SQLITE, Served, database, served_broker
from benchmarks.sweep_submit import PLAIN, tables
from headgate.lifecycle import State
from headgate.resources import ResourceRequest

ASKED = ResourceRequest(vcpu=1, memory_mib=1024)


def measure(options: Options) -> Iterator[Result]:
    n = 100_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        file = tables(options, n, Path(folder))[0]
        for kind in (POSTGRES, SQLITE):
            with database(kind) as url, served_broker(url, has_room=True) as served:
                idle = served.peak_rss_mib()
                start = time.perf_counter()
                size = submit_and_drain(served, file)
                seconds = time.perf_counter() - start
                peak = served.peak_rss_mib()
            name = f"memory, {kind}: peak RSS of the broker"
            yield Result(name, peak, "MiB", size, seconds, {"idle": idle}, target="<= 400")


def submit_and_drain(served: Served, file: Path) -> int:
    """Send the table and wait until its last task has finished; how many tasks it was."""
    template = PLAIN.model_copy(update={"resources": ASKED})
    with headgate.Client(served.address) as client:
        handle = client.submit_sweep(template, table=file)
        view = handle.wait(progress=False)
        assert view.state is State.SUCCEEDED, view.reason
        return view.size


if __name__ == "__main__":
    main(measure, __doc__)
