"""Measures `rtsite build` with years of history: cold, without changes, and with one more campaign.

    uv run python -m benchmarks.build [--files 10000]

The budget for 10,000 framework files is 15 s cold and 3 s without changes. Times on a shared machine vary; what
matters is that the last two are far below the first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import synthetic
from generator.site_build import Paths, build_site

ROOT = Path(__file__).parents[1]
VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "asyncio", "gevent"})


def write_history(folder: Path, files: int) -> int:
    """Write framework files in runs of one campaign each; returns the number of runs."""
    frameworks = {made.framework for made in VARIANTS}
    runs = -(-files // len(frameworks))
    for number in range(runs):
        day = f"{2020 + number // 336:04d}-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}"
        write_run(folder, day, number)
    return runs


def write_run(folder: Path, day: str, number: int) -> None:
    synthetic.write(
        folder, rounds=2, seconds=1, variants=VARIANTS, run=f"{day}-{number}", campaign=day, started=f"{day}T09:00:00Z",
        seed=number, searches=False, only=("echo",),
    )  # fmt: skip


def timed(paths: Paths) -> float:
    began = time.perf_counter()
    build_site(paths, lambda _: None)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        home = Path(folder)
        results = home / "results"
        sys.stderr.write(f"writing {arguments.files} framework files …\n")
        runs = write_history(results, arguments.files)
        size = sum(path.stat().st_size for path in results.rglob("*.yml"))
        paths = Paths(ROOT, results, home / "build" / "docs", home / "site")
        found = {"files": arguments.files, "runs": runs, "megabytes": round(size / 1e6, 1), "cold_s": timed(paths)}
        found["unchanged_s"] = timed(paths)
        write_run(results, "2099-01-01", 1)
        found["one_more_campaign_s"] = timed(paths)
    told = {name: round(value, 2) if isinstance(value, float) else value for name, value in found.items()}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
