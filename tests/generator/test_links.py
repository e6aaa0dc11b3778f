"""Every link of a built site leads somewhere, also after the next campaign."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator import exports
from generator.dataset import load_results
from generator.pages import make_site
from generator.staging import hashed_names
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


def test_scripts_and_styles_carry_one_digest_of_all(tmp_path: Path) -> None:
    shutil.copytree(ASSETS, tmp_path / "assets")
    before = hashed_names(tmp_path / "assets")
    own = [name for name in before if "/" not in name and name.endswith((".js", ".css"))]
    assert {path.name for path in ASSETS.iterdir() if path.suffix in {".js", ".css"}} == {
        before[name].name for name in own
    }
    assert len({name.split(".")[1] for name in own}) == 1
    (tmp_path / "assets" / "tables.js").write_text("changed")
    after = hashed_names(tmp_path / "assets")
    assert not set(own) & after.keys()
    assert before.keys() - set(own) <= after.keys(), "what scripts load later keeps its address"


def test_every_script_is_on_the_pages(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    for name in hashed_names(ASSETS):
        if "/" not in name and name.endswith((".js", ".css")):
            assert f'"assets/{name}"' in html
