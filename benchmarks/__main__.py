"""Run every benchmark, each in a process of its own, so that none pays for another's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The modules here that can be run by themselves."""
    runnable = (path for path in HERE.glob("*.py") if path != Path(__file__) and is_runnable(path))
    return sorted(path.stem for path in runnable)


def is_runnable(path: Path) -> bool:
    return '\nif __name__ == "__main__":' in path.read_text()


def run(name: str, arguments: list[str]) -> list[object] | None:
    """Run one benchmark, showing what it prints; its results, or None where it failed."""
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    *shown, last = done.stdout.splitlines() or [""]
    print("\n".join(shown))
    if done.returncode:
        print(f"{last}\n{name} failed with exit code {done.returncode}")
        return None
    found: list[object] = json.loads(last)
    return found


def main(arguments: list[str]) -> int:
    """The exit code is 1 where a benchmark failed to run; a missed target is only reported."""
    passed_on = [argument for argument in arguments if argument != "--json"]
    found = {name: run(name, passed_on) for name in names()}
    if "--json" in arguments:
        print(json.dumps([result for results in found.values() for result in results or []]))
    return int(any(results is None for results in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
