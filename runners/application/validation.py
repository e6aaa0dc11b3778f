"""The validation of result files against the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.record import NothingToDoError, Problem, Read, UsageError, problems_between, read_checked, result_files


@dataclass(frozen=True)
class ValidationReport:
    """The number of files read, and every problem in them."""

    files: int
    problems: list[Problem]


def validate_files(paths: Sequence[Path]) -> ValidationReport:
    """Validate result files, and all result files below folders.

    Raises `UsageError` for a path that does not exist, and `NothingToDoError` if there is no result file.
    """
    files = list(dict.fromkeys(_result_files(paths)))
    if not files:
        raise NothingToDoError(f"no result files in {', '.join(map(str, paths))}")
    return ValidationReport(len(files), _problems(files))


def _problems(files: Sequence[Path]) -> list[Problem]:
    """The problems of these files, also those between them and others in their folders, ordered by file."""
    folders = dict.fromkeys(file.parent for file in files)
    beside = [
        path
        for folder in folders
        for path in sorted(folder.glob("*.yml"))
        if not path.name.startswith(".") and not path.is_dir()
    ]
    read: dict[Path, Read] = {path: read_checked(path) for path in dict.fromkeys([*files, *beside])}
    wanted = set(files)
    return sorted((one for one in problems_between(read) if one.path in wanted), key=lambda one: (one.path, one.line))


def _result_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from result_files(path)
        elif path.exists() or path.is_symlink():
            yield path
        else:
            raise UsageError(f"{path}: no such file or folder")
