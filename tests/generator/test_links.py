"""Every link of a built site leads somewhere, also after the next campaign."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
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


def test_every_link_leads_somewhere(site: Path, address: str) -> None:
    built = BuiltSite(site, address)
    links = list(built.links())
    kinds = {Path(name).suffix for name, _ in links}
    assert {".html", ".xml", ".json"} <= kinds
    assert len(links) > 1000
    assert built.dead() == []


def _addresses(folder: Path) -> set[str]:
    """The addresses of a site's pages and exports that others may keep."""
    dataset = load_results(folder)
    pages = {page.path for page in make_site(dataset, {}).pages if page.path.startswith(("runs/", "frameworks/"))}
    return pages | exports.files(dataset, "https://example.org", {}).keys()


def _feed_links(folder: Path) -> set[str]:
    text = exports.files(load_results(folder), "https://example.org", {})["feed.xml"]
    return set(re.findall(r'href="https://example\.org/([^"]+)"', text))


def _without(slug: str) -> Callable[[Path], None]:
    """The next campaign does not have this framework."""

    def change(run: Path) -> None:
        (run / f"{slug}.yml").unlink()
        text = (run / "run.yml").read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if not line.startswith(f"- {slug}/")]
        (run / "run.yml").write_text("\n".join(kept) + "\n", encoding="utf-8")

    return change


NEXT = {"the same": lambda run: None, "one framework less": _without("fastapi"), "another less": _without("websockets")}


@pytest.mark.parametrize("change", NEXT.values(), ids=list(NEXT))
def test_addresses_stay_when_the_next_campaign_is_published(tmp_path: Path, change: Callable[[Path], None]) -> None:
    synthetic.write(tmp_path, rounds=2, seconds=1)
    before, feed = _addresses(tmp_path), _feed_links(tmp_path)
    synthetic.write(
        tmp_path, rounds=2, seconds=1, run="2026-12-04-b", campaign="2026-12-04", started="2026-12-04T09:00:00Z", seed=2
    )
    change(tmp_path / "2026-12-04" / "2026-12-04-b")
    after = _addresses(tmp_path)
    assert before - after == set()
    files = {path.removesuffix(".md") + ".html" if path.endswith(".md") else path for path in after}
    assert feed | _feed_links(tmp_path) <= files


def test_a_framework_without_a_value_keeps_its_badge(tmp_path: Path) -> None:
    synthetic.write(tmp_path, rounds=2, seconds=1)
    synthetic.write(
        tmp_path, rounds=2, seconds=1, run="2026-12-04-b", campaign="2026-12-04", started="2026-12-04T09:00:00Z", seed=2
    )
    _without("fastapi")(tmp_path / "2026-12-04" / "2026-12-04-b")
    exported = exports.files(load_results(tmp_path), "https://example.org", {"fastapi": "uvicorn"})
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
