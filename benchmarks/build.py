"""Measures `rtsite build`, of years of history and of the published results, beside another checkout in one run.

    git worktree add ../before COMMIT
    uv run python -m benchmarks.build --before ../before [--files 10000] [--times 3] [--history FOLDER]

For each, it measures a build without a cache (cold), one without changes, and of the history one with one more
campaign. Both checkouts take turns, so that a slow moment of the machine meets both, and medians are compared. Each
build has a process of its own. The time of its imports is not included. CPU seconds, of the build and of all its
processes, say more on a machine that others use. The aims for 10,000 framework files are 6 s cold and 3 s with one more
campaign, and for the published results 8 s cold.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import synthetic

ROOT = Path(__file__).parents[1]
VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "asyncio", "gevent"})
_BUILD = """
import os, sys, time
from pathlib import Path
from generator.site_build import Paths, build_site
root, results, home = map(Path, sys.argv[1:])
began, used = time.perf_counter(), sum(os.times()[:4])
build_site(Paths(root, results, home / "build" / "docs", home / "site"), lambda _: None)
print(time.perf_counter() - began, sum(os.times()[:4]) - used)
"""

Taken = tuple[float, float]
"""Seconds that a build took, and CPU seconds."""
Builds = dict[str, list[Taken]]
"""The builds of one checkout, by the name of what was built."""


def write_history(folder: Path, files: int) -> None:
    """Write framework files in runs of one campaign each."""
    frameworks = {made.framework for made in VARIANTS}
    for number in range(-(-files // len(frameworks))):
        day = f"{2020 + number // 336:04d}-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}"
        write_run(folder, day, number)


def write_run(folder: Path, day: str, number: int) -> None:
    synthetic.write(
        folder, rounds=2, seconds=1, variants=VARIANTS, run=f"{day}-{number}", campaign=day, started=f"{day}T09:00:00Z",
        seed=number, searches=False, only=("echo",),
    )  # fmt: skip


def timed(code: Path, results: Path, home: Path) -> Taken:
    """What a build takes by the code of a checkout."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _BUILD, str(code), str(results), str(home)],
        env=os.environ | {"PYTHONPATH": str(code)},
        cwd=code,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, cpu_seconds = map(float, done.stdout.split())
    return seconds, cpu_seconds


def measure(code: Path, history: Path, found: Builds) -> None:
    """Build everything once by the code of a checkout, and add what it took."""
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        home = Path(folder)
        for name, results in (("history", history), ("published", ROOT / "results")):
            found.setdefault(f"{name}_cold", []).append(timed(code, results, home / name))
            found.setdefault(f"{name}_unchanged", []).append(timed(code, results, home / name))
        try:
            write_run(history, "2099-01-01", 1)
            found.setdefault("history_one_more_campaign", []).append(timed(code, history, home / "history"))
        finally:
            shutil.rmtree(history / "2099-01-01", ignore_errors=True)


def report(now: Builds, before: Builds) -> Mapping[str, Mapping[str, float]]:
    """The medians in seconds, and how many times faster the builds are now."""
    found: dict[str, dict[str, float]] = {}
    for name, builds in now.items():
        found[name] = {}
        for number, unit in enumerate(("s", "cpu_s")):
            today = statistics.median(one[number] for one in builds)
            found[name][f"now_{unit}"] = round(today, 2)
            if name in before:
                earlier = statistics.median(one[number] for one in before[name])
                found[name] |= {f"before_{unit}": round(earlier, 2), f"times_{unit}": round(earlier / today, 1)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--history", type=Path, help="the folder of the files; written if it does not exist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        history: Path = arguments.history or Path(folder, "history")
        if not history.exists():
            sys.stderr.write(f"writing {arguments.files} framework files …\n")
            write_history(history, arguments.files)
        now: Builds = {}
        before: Builds = {}
        for number in range(arguments.times):
            sys.stderr.write(f"{number + 1} of {arguments.times} …\n")
            if arguments.before is not None:
                measure(arguments.before.resolve(), history, before)
            measure(ROOT, history, now)
    sys.stdout.write(json.dumps(report(now, before), indent=2) + "\n")


if __name__ == "__main__":
    main()
