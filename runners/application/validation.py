"""The validation of result files against the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.record import NothingToDoError, Problem, UsageError, problems_in


@dataclass(frozen=True)
class ValidationReport:
    """The number of files read, and every problem in them."""

    files: int
    problems: list[Problem]


def validate_files(paths: Sequence[Path]) -> ValidationReport:
    """Validate result files, and all result files below folders.

    Raises `UsageError` for a path that does not exist, and `NothingToDoError` if there is no result file.
    """
    files = list(_result_files(paths))
    if not files:
        raise NothingToDoError(f"no result files in {', '.join(map(str, paths))}")
    return ValidationReport(len(files), [problem for file in files for problem in problems_in(file)])


def _result_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob("*.yml"))
        elif path.exists():
            yield path
        else:
            raise UsageError(f"{path}: no such file or folder")
