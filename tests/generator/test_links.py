"""Every link of a built site leads somewhere, also after the next campaign."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator import exports
from generator.dataset import load_results
from generator.pages import make_site
from generator.staging import StagingError, bundled
from tests.support.links import BuiltSite

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "generator" / "assets"
SOME = tuple(made for made in synthetic.VARIANTS if made.headline or made.variant in {"picows", "threading"})
"""A variant of each framework, and one that fails."""


def test_every_link_leads_somewhere(site: Path, address: str) -> None:
    built = BuiltSite(site, address)
    links = list(built.links())
    kinds = {Path(name).suffix for name, _ in links}
    assert {".html", ".xml", ".json"} <= kinds
    assert len(links) > 1000
    assert built.dead() == []


@dataclass(frozen=True)
class Published:
    """The addresses of pages and exports of a site that others may keep, and the links of its feed."""

    addresses: set[str]
    feed: set[str]


def _published(folder: Path) -> Published:
    dataset = load_results(folder)
    pages = {page.path for page in make_site(dataset, {}).pages if page.path.startswith(("runs/", "frameworks/"))}
    exported = exports.files(dataset, "https://example.org", {})
    feed = re.findall(r'href="https://example\.org/([^"]+)"', exported["feed.xml"])
    return Published(pages | exported.keys(), set(feed))


def _write_next(folder: Path, without: str | None) -> None:
    """Write a second campaign, which does not have this framework."""
    synthetic.write(
        folder, rounds=2, seconds=1, run="2026-12-04-b", campaign="2026-12-04", started="2026-12-04T09:00:00Z", seed=2,
        variants=tuple(made for made in SOME if made.framework != without),
    )  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Published]:
    """The results of one campaign, and what its site publishes."""
    folder = tmp_path_factory.mktemp("first")
    synthetic.write(folder, rounds=2, seconds=1, variants=SOME)
    return folder, _published(folder)


@pytest.mark.parametrize("without", [None, "fastapi", "websockets"])
def test_addresses_stay_when_the_next_campaign_is_published(
    first: tuple[Path, Published], tmp_path: Path, without: str | None
) -> None:
    results, before = first
    shutil.copytree(results, tmp_path / "results")
    _write_next(tmp_path / "results", without)
    after = _published(tmp_path / "results")
    assert before.addresses - after.addresses == set()
    files = {path.removesuffix(".md") + ".html" if path.endswith(".md") else path for path in after.addresses}
    assert before.feed | after.feed <= files


def test_a_framework_without_a_value_keeps_its_badge(first: tuple[Path, Published], tmp_path: Path) -> None:
    shutil.copytree(first[0], tmp_path / "results")
    _write_next(tmp_path / "results", "fastapi")
    exported = exports.files(load_results(tmp_path / "results"), "https://example.org", {"fastapi": "uvicorn"})
    badge = json.loads(exported["badges/fastapi.json"])
    assert badge["message"] == "no result"


def test_scripts_and_styles_are_two_files_with_one_digest(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    shutil.copytree(ASSETS, assets)
    before = bundled(assets)
    own = {name: text for name, text in before.items() if isinstance(text, str)}
    assert sorted(Path(name).suffix for name in own) == [".css", ".js"]
    assert len({name.split(".")[1] for name in own}) == 1
    for path in assets.iterdir():
        if path.suffix in {".js", ".css"}:
            (text,) = (text for name, text in own.items() if name.endswith(path.suffix))
            assert path.read_text() in text, path.name
    (assets / "tables.js").write_text("changed")
    after = bundled(assets)
    assert not own.keys() & after.keys()
    assert before.keys() - own.keys() <= after.keys(), "what scripts load later keeps its address"
    (assets / "new.js").write_text("")
    with pytest.raises(StagingError, match="differ: new; list each in both"):
        bundled(assets)


def test_the_search_has_one_entry_for_pages_of_values_and_of_code(site: Path) -> None:
    documents = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    found = Counter(one["location"].partition("#")[0] for one in documents)
    for path in ("frameworks/fastapi/results.html", "frameworks/fastapi/code.html", "trends.html", "runs/index.html"):
        assert found[path] == 1, path
        assert (site / path).is_file()
    assert not any(path.startswith(("runs/2", "compare/fastapi-")) for path in found)
    assert {one.get("boost") for one in documents if one["location"] == "frameworks/fastapi.html"} == {2}
    assert not any("of all sent" in one["text"] for one in documents), "heads of tables of values"


def test_every_script_is_on_the_pages(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    for name, asset in bundled(ASSETS).items():
        if isinstance(asset, str):
            assert f'"assets/{name}"' in html
            assert name.endswith(".css") or f'<script defer src="assets/{name}"></script>' in html
            assert (site / "assets" / name).read_text(encoding="utf-8") == asset
