"""The folder of a run: ``run.yml`` and one file per framework below ``results/<campaign>/<run>/``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.record import (
    FLAME_SUFFIX,
    FrameworkDocument,
    RtsiteError,
    RunDocument,
    load_framework,
    load_run,
    save,
)


class SaveError(RtsiteError):
    """A result could not be written."""


@dataclass(frozen=True)
class RunFiles:
    """One run's folder. Each file is written atomically."""

    path: Path

    @classmethod
    def create(cls, campaign: Path, started: str, label: str) -> RunFiles:
        """Create a new folder below the campaign's, named by the time; raises `SaveError`.

        The name of the folder is the run ID. ``started``: ISO 8601, in UTC. ``label`` is appended to the ID.
        """
        moment = dt.datetime.fromisoformat(started)
        while True:
            path = campaign / (moment.strftime("%Y%m%dT%H%M%SZ") + (f"-{label}" if label else ""))
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                moment += dt.timedelta(seconds=1)
            except OSError as error:
                raise SaveError(
                    f"{path}: cannot be created: {error.strerror}; choose another folder with --results"
                ) from error
            else:
                return cls(path)

    def load_run(self) -> RunDocument:
        """Read ``run.yml``; raises `RecordError`."""
        return load_run(self.path / "run.yml")

    def load_framework(self, slug: str) -> FrameworkDocument | None:
        """Read a framework's file, if there is one; raises `RecordError`."""
        file = self._framework_file(slug)
        return load_framework(file) if file.exists() else None

    def frameworks(self) -> Iterator[FrameworkDocument]:
        """Read all framework files; raises `RecordError`."""
        for file in sorted(self.path.glob("*.yml")):
            if file.name != "run.yml" and not file.name.endswith(FLAME_SUFFIX):
                yield load_framework(file)

    def save_run(self, document: RunDocument) -> None:
        """Write ``run.yml``; raises `SaveError`."""
        self._save(document, self.path / "run.yml")

    def save_framework(self, document: FrameworkDocument) -> None:
        """Write a framework's file; raises `SaveError`."""
        self._save(document, self._framework_file(document.framework.slug))

    def _framework_file(self, slug: str) -> Path:
        return self.path / f"{slug}.yml"

    def _save(self, document: RunDocument | FrameworkDocument, file: Path) -> None:
        try:
            save(document, file)
        except OSError as error:
            raise SaveError(
                f"{file}: cannot be written: {error.strerror}; free some space or choose another folder with --results;"
                " all earlier measurements are saved"
            ) from error
