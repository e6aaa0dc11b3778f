"""What is wrong between the files of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.record import problems_between, read_checked, result_files, save
from runners.record.naming import is_identifier, is_result_file, is_slug
from tests.support.documents import framework_document, run_document


def problems_of(folder: Path) -> list[str]:
    return [one.message for one in problems_between({path: read_checked(path) for path in result_files(folder)})]


def edited(name: str, before: str, after: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1))

    return edit


def piped(folder: Path) -> None:
    os.mkfifo(folder / "tornado.yml")


def linked(folder: Path) -> None:
    (folder / "tornado.yml").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (edited("run.yml", "started: '2026-11-01T", "started: '2026-13-01T"), "no such time"),
        (edited("fastapi.yml", "slug: fastapi", "slug: con"), "this name is reserved"),
        (piped, "is neither a file nor a folder"),
        (linked, "is neither a file nor a folder"),
        (lambda folder: (folder / "run.yml").unlink(), "run.yml is missing in this folder"),
    ],
    ids=["month", "device", "pipe", "link", "alone"],
)
def test_a_bad_folder_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = tmp_path / "a"
    save(run_document(), folder / "run.yml")
    save(framework_document(), folder / "fastapi.yml")
    assert problems_of(tmp_path) == []
    spoil(folder)
    assert any(said in message for message in problems_of(tmp_path))


def test_cells_and_variants_are_there_once_and_described(tmp_path: Path) -> None:
    run, document = run_document(), framework_document()
    save(run.model_copy(update={"finished": "2020-01-01T00:00:00Z"}), tmp_path / "run.yml")
    more = {"cells": [*document.cells, *document.cells], "variants": [document.variants[0]] * 2}
    save(document.model_copy(update=more), tmp_path / "fastapi.yml")
    found = problems_of(tmp_path)
    assert len(found) == 3
    assert "before it started" in found[0]
    assert all("appears 2 times" in message for message in found[1:])


def test_two_runs_never_share_a_page(tmp_path: Path) -> None:
    save(run_document(), tmp_path / "one" / "run.yml")
    save(run_document(), tmp_path / "two" / "run.yml")
    assert [message[:28] for message in problems_of(tmp_path)] == ["campaign and id are the same"]


@pytest.mark.parametrize("name", ["index", "run", "nul", "com1", "a-vs-b", "A", "a" * 49])
def test_names_of_files_and_pages_are_no_slugs(name: str) -> None:
    assert not is_slug(name)


@pytest.mark.parametrize("name", ["latest.json", "twins", "CON", "aux.2026", "a.", ".a", "a/b"])
def test_names_of_folders_are_no_identifiers(name: str) -> None:
    assert not is_identifier(name)


def test_result_files_have_their_place() -> None:
    assert is_result_file("r1", "run.yml")
    assert is_result_file("r1", "fastapi.flame.yml")
    assert is_result_file("evidence", "fastapi.yml")
    assert not is_result_file("evidence", "run.yml")
    assert not is_result_file("r1", "index.yml")
