"""py-spy is found in its environment, and its errors are reported with a remedy."""

from __future__ import annotations

import importlib.metadata
import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from runners.flame import sampler
from runners.flame.sampler import Sampler, SamplerError


def test_the_installed_program_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = sampler.find_sampler()
    assert os.access(found.path, os.X_OK)
    assert found.version == importlib.metadata.version("py-spy")


def test_a_missing_package_is_one_sentence_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(SamplerError, match="not installed beside rtsite; install it with `uv sync`"):
        sampler.find_sampler()


def test_a_missing_program_is_one_sentence_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SamplerError, match="neither in the scripts folder nor on PATH; install it again"):
        sampler.find_sampler()


def test_a_server_is_stopped_for_a_look_only_where_it_runs_beside_the_sampler() -> None:
    spy = Sampler(Path("py-spy"), "1")
    shared = spy.command(pid=7, file="f", duration_s=3, shares_core=True)
    apart = spy.command(pid=7, file="f", duration_s=3, shares_core=False)
    assert "--nonblocking" in shared
    assert "--nonblocking" not in apart
    assert shared[shared.index("--pid") + 1] == "7"


@pytest.mark.parametrize(
    ("lines", "errors", "behind_s"),
    [
        (["py-spy> Wrote raw flamegraph data to 'x'. Samples: 997 Errors: 12"], 12, None),
        (
            ["py-spy> 1.20s behind in sampling, results", "py-spy> 5.5s behind in sampling", "Samples: 1 Errors: 0"],
            0,
            5.5,
        ),
        ([], 0, None),
    ],
)
def test_its_report_is_read(lines: list[str], errors: int, behind_s: float | None) -> None:
    assert sampler.read_report(lines) == sampler.SamplerReport(errors, behind_s)


@pytest.mark.parametrize(
    "line",
    [
        "Permission Denied: Try running again with elevated permissions",
        "Error: Operation not permitted (os error 1)",
        "Error: Permission denied (os error 13)",
    ],
)
def test_a_forbidden_look_names_the_rule_and_the_cure(line: str, tmp_path: Path) -> None:
    (tmp_path / "scope").write_text("1\n")
    told = str(sampler.explain_failure([line], 1, yama=tmp_path / "scope"))
    assert "ptrace_scope is 1" in told
    assert "sudo sysctl kernel.yama.ptrace_scope=0" in told
    assert "SYS_PTRACE" in told
    assert "ptrace_scope is" not in str(sampler.explain_failure([line], 1, yama=tmp_path / "none"))


def test_any_other_failure_shows_its_last_output() -> None:
    told = str(sampler.explain_failure(["Sampling", "Error: no such process (os error 3)", ""], 2))
    assert told.startswith("py-spy ended with status 2 and recorded nothing; its last message: Error: no such process")
    assert "\n" not in told
