"""Adds results under another setting to written ones: what pages show by their filters."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from generator.dataset.results import Parameters
from runners.record import cell_key, load_framework, load_run, save


def measure_again(results: Path, setting: Parameters, workloads: Collection[str]) -> None:
    """Add to each run below this folder the same cells of these workloads under a setting, with the same values."""
    for path in results.rglob("run.yml"):
        added = []
        for file in sorted(path.parent.glob("*.yml")):
            if file.name == "run.yml" or ".flame" in file.name:
                continue
            document = load_framework(file)
            cells = [
                cell.model_copy(update={"parameters": {**cell.parameters, **setting}})
                for cell in document.cells
                if cell.workload in workloads
            ]
            slug = document.framework.slug
            added += [cell_key(slug, cell.variant, cell.workload, cell.parameters) for cell in cells]
            save(document.model_copy(update={"cells": [*document.cells, *cells]}), file)
        run = load_run(path)
        further = list(range(len(run.cells), len(run.cells) + len(added)))
        order = [[*turn, *further] for turn in run.order]
        save(run.model_copy(update={"cells": [*run.cells, *added], "order": order}), path)
