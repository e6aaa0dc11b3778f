"""The folder of a run is created once, written file by file, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.campaign import run_files
from runners.campaign.run_files import RunFiles, SaveError
from runners.record import RunDocument
from tests.support.documents import framework_document, run_document


def test_runs_that_start_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    made = [RunFiles.create(tmp_path, "2026-11-01T00:00:59Z", label) for label in ("", "", "block-1")]
    assert [files.path.name for files in made] == ["20261101T000059Z", "20261101T000100Z", "20261101T000059Z-block-1"]


def test_documents_come_back(tmp_path: Path) -> None:
    files = RunFiles(tmp_path)
    assert files.load_framework("fastapi") is None
    files.save_run(run_document())
    files.save_framework(framework_document())
    (tmp_path / "fastapi.flame.yml").write_text("read by others\n")
    assert files.load_run() == run_document()
    assert files.load_framework("fastapi") == framework_document()
    assert list(files.frameworks()) == [framework_document()]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(document: RunDocument, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_files, "save", fail)
    with pytest.raises(SaveError, match=r"run\.yml: cannot be written: No space left on device; free some space"):
        RunFiles(tmp_path).save_run(run_document())
