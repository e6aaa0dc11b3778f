"""Checks the map of the code against the code: layers, files and names."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _code(page: str) -> list[str]:
    """What a page has in backticks, its fenced code left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", _text(page), flags=re.DOTALL | re.MULTILINE))


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
    names = [name for name in _code(page) if re.fullmatch(r"[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(py|toml|md)", name)]
    gone = [
        name
        for name in names
        if name.split("/")[0] in {"runners", "generator", "tests", "docs", "site", "benchmarks", ".ci"}
        and "NAME" not in name
        and not list(ROOT.glob(name))
    ]
    assert gone == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_page_locates_is_in_that_file(page: str) -> None:
    code = list(re.finditer(r"`([^`\n]+)`", _text(page)))
    for name, file in pairwise(code):
        between = _text(page)[name.end() : file.start()]
        if re.fullmatch(r"\s(in|of)\s", between) and file[1].endswith(".py") and name[1].isidentifier():
            assert re.search(rf"\b{name[1]}\b", _text(file[1])), f"{name[1]} is not in {file[1]}"


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "docs/decisions/README.md"])
def test_links_to_files_lead_there(page: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", _text(page)):
        assert ((ROOT / page).parent / target).exists(), target
