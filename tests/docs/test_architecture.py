"""Checks the map of the code and the README against the code: layers, files, names and numbers."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from generator.statistics.contrasts import LOOKED_CONFIDENCE
from runners.contract.promises import CROWD
from runners.record import errors
from runners.subjects.profiles import PROFILES

ROOT = Path(__file__).parents[2]
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")
FOLDERS = r"runners|generator|tests|docs|site|benchmarks|\.ci|\.github"


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _paths(page: str) -> set[str]:
    """The paths that a page names, in prose and in code. A placeholder such as NAME stands for any name."""
    found = re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w.*/-]*\w[*/]?|`[\w-]+\.(?:py|toml|md|txt)`", _text(page))
    return {re.sub(r"\b[A-Z]{3,}\b(?!\.md)", "*", name.strip("`")) for name in found}


def _floors(package: str) -> list[set[str]]:
    """The layers of a package as the contract of the layers has them, from the top."""
    contracts = tomllib.loads(_text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (found,) = (one["layers"] for one in contracts if one.get("containers") == [package])
    return [set(layer.split(" | ")) for layer in found]


@pytest.mark.parametrize("package", ["runners", "generator"])
def test_the_map_draws_the_layers_that_are_checked(package: str) -> None:
    table = _text("ARCHITECTURE.md").partition(f"| `{package}/` | Owns |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`([\w/]+)`", row.split("|")[1])) for row in table.splitlines()]
    assert [row for row in rows if row != {"frameworks/"}] == _floors(package)


def test_the_map_is_short() -> None:
    assert len(_text("ARCHITECTURE.md").encode()) <= 8_000


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    """A name without a folder is that of a file at the top or anywhere in the two packages."""
    everywhere = {path.name for package in ("runners", "generator") for path in (ROOT / package).rglob("*.*")}
    everywhere |= {path.name for path in ROOT.iterdir()}
    paths = _paths(page)
    assert paths, "this page names no file"
    assert {name for name in paths if not (list(ROOT.glob(name)) if "/" in name else name in everywhere)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_page_locates_is_in_that_file(page: str) -> None:
    code = list(re.finditer(r"`([^`\n]+)`", _text(page)))
    for name, file in pairwise(code):
        between = _text(page)[name.end() : file.start()]
        if re.fullmatch(r"\s+(in|of)\s+", between) and file[1].endswith(".py") and name[1].isidentifier():
            assert re.search(rf"\b{name[1]}\b", _text(file[1])), f"{name[1]} is not in {file[1]}"


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "docs/decisions/README.md"])
def test_links_to_files_lead_there(page: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", _text(page)):
        assert ((ROOT / page).parent / target).exists(), target


def test_numbers_of_the_code_are_the_same_on_the_pages() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+|–) \| ([\d.]+) s \|", _text("README.md"), re.MULTILINE)
    assert rows == [
        (one.slug, str(one.rounds), str(one.most_rounds or "–"), f"{one.duration_s:g}") for one in PROFILES.values()
    ]
    assert f"answers {CROWD} viewers that connect" in _text("CONTRIBUTING.md")
    standard, method = PROFILES["standard"], " ".join(_text("site/methodology.md").split())
    assert (
        f"windows of profile `standard` last {standard.duration_s:g} s, after a warm-up of {standard.warmup_s:g} s"
        in (method)
    )
    assert f"are computed as intervals of {100 * LOOKED_CONFIDENCE:g} %" in method
    classes = (one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.RtsiteError))
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", _text("site/cli.md"), re.MULTILINE)}
    assert listed == {0, 130} | {one.exit_code for one in classes}
