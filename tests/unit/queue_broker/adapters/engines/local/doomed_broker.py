"""A broker to be killed: hands leaks over, says what happens, and never lets go by itself.

python -m tests.unit.queue_broker.adapters.engines.local.doomed_broker DATA_FOLDER
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from queue_broker.adapters.engines.local.engine import LocalEngine, LocalSettings
from tests.contract.engines import RUNS_ON, SMALL, a_leak

EATS_AND_RUNS_ON = (
    sys.executable,
    "-c",
    "import time; held = b'x' * (30 << 20); print('ready', flush=True); time.sleep(600)",
)
#: What the broker had in hand: one task that runs, one that is about to end, one without room.
RUNNING = a_leak(EATS_AND_RUNS_ON, name="running")
ENDING = a_leak(("sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 7"), name="ending")
WAITING = a_leak(("echo", "at last"), name="waiting", allocation=SMALL * 16)
LOST = a_leak(RUNS_ON, name="lost")
ALL = (RUNNING, ENDING, LOST, WAITING)


def settings(data: Path) -> LocalSettings:
    return LocalSettings(data, cores=2, memory_mib=1024, grace_s=2)


def main() -> None:
    engine = LocalEngine(settings(Path(sys.argv[1])), lambda leak, task: {})
    engine.hand_over(ALL)
    told = 0
    while True:
        for event in engine.poll(100)[told:]:
            told += 1
            sys.stdout.write(f"{type(event).__name__} {event.leak}\n")
            sys.stdout.flush()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
