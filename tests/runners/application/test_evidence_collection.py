"""Evidence is added to a campaign and never replaced."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from runners import evidence, machine
from runners.application import evidence_collection
from runners.application.evidence_collection import collect_campaign_evidence, default_campaign
from runners.record import NothingToDoError, RtsiteError, UsageError, is_identifier
from runners.subjects.catalog import Framework


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frameworks whose evidence was collected."""
    slugs: list[str] = []

    def collect(frameworks: Sequence[Framework], results: Path, campaign: str, show: object) -> list[object]:
        slugs.extend(framework.slug for framework in frameworks)
        return []

    monkeypatch.setattr(evidence, "collect_evidence", collect)
    monkeypatch.setattr(evidence_collection, "measuring_session", lambda _: contextlib.nullcontext())
    return slugs


def test_all_but_the_reference_are_collected(tmp_path: Path, collected: list[str]) -> None:
    collect_campaign_evidence([], tmp_path, "tested", lambda _: None)
    assert "fastapi" in collected
    assert "reference" not in collected


@pytest.mark.parametrize("names", [["reference"], ["fastapi", "reference"], ["reference/picows"]])
def test_the_reference_cannot_be_named(tmp_path: Path, collected: list[str], names: list[str]) -> None:
    with pytest.raises(NothingToDoError, match="no evidence is collected of the reference"):
        collect_campaign_evidence(names, tmp_path, "tested", lambda _: None)
    assert collected == []


def test_existing_evidence_is_kept(tmp_path: Path, collected: list[str]) -> None:
    there = evidence.path_of(tmp_path, "tested", "tornado")
    there.parent.mkdir(parents=True)
    there.write_text("")
    with pytest.raises(UsageError, match=r"tornado\.yml already exists, and results are never replaced"):
        collect_campaign_evidence(["fastapi", "tornado"], tmp_path, "tested", lambda _: None)
    assert collected == []


def test_a_campaign_that_cannot_be_a_folder_is_refused(tmp_path: Path, collected: list[str]) -> None:
    with pytest.raises(UsageError, match="is not a valid campaign name"):
        collect_campaign_evidence(["fastapi"], tmp_path, "../up", lambda _: None)
    assert collected == []


def test_the_default_campaign_is_a_name() -> None:
    assert is_identifier(default_campaign())


@pytest.mark.parametrize("blocked", ["a file", "a file above"])
def test_a_folder_that_cannot_be_written_is_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: str
) -> None:
    (tmp_path / "blocked").touch()
    results = tmp_path / "blocked" if blocked == "a file" else tmp_path / "blocked" / "results"
    monkeypatch.setattr(evidence_collection, "measuring_session", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(evidence, "collect_evidence", lambda *_: pytest.fail("it works before it knows"))
    with pytest.raises(RtsiteError, match=r"cannot be written: Not a directory; choose another folder with --results"):
        evidence_collection.collect_campaign_evidence(["starlette"], results, "campaign", lambda _: None)


def test_a_command_that_has_to_wait_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    with machine.claimed("the first command"), pytest.raises(machine.BusyError):
        collect_campaign_evidence(["starlette"], tmp_path / "results", "campaign", lambda _: None)
    assert not (tmp_path / "results").exists()


def test_a_folder_on_a_full_disk_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(RtsiteError, match="No space left on device"):
        evidence.check_folder(tmp_path, "campaign")
