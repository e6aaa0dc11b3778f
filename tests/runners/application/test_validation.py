"""Result files are validated one by one, or all below a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.application.validation import validate_files
from runners.record import NothingToDoError, UsageError, save
from tests.support.documents import framework_document, run_document


def test_files_and_folders(tmp_path: Path) -> None:
    save(run_document(), tmp_path / "a" / "run.yml")
    save(framework_document(), tmp_path / "a" / "fastapi.yml")
    assert validate_files([tmp_path]).files == 2
    assert validate_files([tmp_path / "a" / "run.yml"]).files == 1
    assert validate_files([tmp_path]).problems == []
    (tmp_path / "a" / "run.yml").write_text("kind: nothing\n")
    (problem, *_) = validate_files([tmp_path]).problems
    assert problem.path == tmp_path / "a" / "run.yml"


def test_a_folder_is_no_description_of_a_run(tmp_path: Path) -> None:
    save(framework_document(), tmp_path / "a" / "fastapi.yml")
    (tmp_path / "a" / "run.yml").mkdir()
    (problem,) = validate_files([tmp_path]).problems
    assert "run.yml is missing in this folder" in problem.message


def test_nothing_to_validate(tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError, match="no result files in"):
        validate_files([tmp_path])
    with pytest.raises(UsageError, match="no such file or folder"):
        validate_files([tmp_path / "nowhere"])
