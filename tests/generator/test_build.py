from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks import synthetic
from generator import mkdocs_process, staging
from generator.live_server import ServeError, serve_live
from generator.site_build import Paths, build_site, stage_site
from generator.site_folder import BuildError
from generator.staging import StagingError
from runners.record import RecordError, UsageError
from tests.support.pages import HOSTILE, Reader, read

ROOT = Path(__file__).parents[2]


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and modification time of every file."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def in_folder(folder: Path, results: Path, root: Path = ROOT) -> Paths:
    return Paths(root, results, folder / "docs", folder / "site")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root with hand-written pages of its own, to be broken."""
    return write_checkout(tmp_path / "checkout")


def write_checkout(root: Path) -> Path:
    shutil.copytree(ROOT / "site", root / "site")
    shutil.copy(ROOT / "mkdocs.yml", root)
    (root / "runners" / "frameworks").mkdir(parents=True)
    return root


FEW = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn"})

SOME = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent", "uvicorn-redis"})


@dataclass(frozen=True)
class Built:
    """A checkout with few results, its site built once, and the state of its sources before that."""

    home: Path
    sources: Mapping[str, tuple[str, int]]

    @property
    def places(self) -> Paths:
        return in_folder(self.home, self.home / "results", self.home / "checkout")

    def copied(self, home: Path) -> Paths:
        """A copy for a test that changes something."""
        shutil.copytree(self.home, home, symlinks=True)
        return Built(home, {}).places


def sources_of(places: Paths) -> dict[str, tuple[str, int]]:
    return {
        f"{folder}/{name}": one
        for folder in (places.root, places.results, ROOT / "generator" / "templates")
        for name, one in state(folder).items()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("built")
    write_checkout(home / "checkout")
    synthetic.write(home / "results", rounds=2, seconds=1, variants=FEW, flamed=("fastapi",))
    synthetic.write_evidence(home / "results", variants=FEW)
    places = Built(home, {}).places
    before = sources_of(places)
    assert build_site(places, lambda _: None).is_file()
    return Built(home, before)


@pytest.fixture
def edited(built: Built, tmp_path: Path) -> Paths:
    """A built site of which a page was edited afterwards."""
    places = built.copied(tmp_path / "copy")
    with (places.written / "data.md").open("a") as page:
        page.write("\nOne line more.\n")
    return places


@pytest.fixture
def rendered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without MkDocs, for tests of what comes before and after it."""

    def render(config: Path, into: Path, meanwhile: Callable[[], None]) -> None:
        into.mkdir()
        (into / "index.html").write_text("rendered at once")
        meanwhile()

    monkeypatch.setattr(mkdocs_process, "render", render)


def test_a_build_leaves_the_sources_alone(built: Built) -> None:
    assert len(built.sources) > 30
    assert sources_of(built.places) == built.sources


def test_an_empty_results_folder_makes_a_site_that_reports_it(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    page = build_site(in_folder(tmp_path, tmp_path / "results"), lambda _: None)
    assert "Nothing measured yet" in page.read_text()


def test_broken_results_leave_the_old_site(edited: Paths) -> None:
    places = edited
    before = state(places.out)
    next(places.results.glob("*/*/fastapi.yml")).write_text("schema_version: 1\nkind: *framework\n")
    with pytest.raises(RecordError, match=r"fastapi\.yml:2:7"):
        build_site(places, lambda _: None)
    assert state(places.out) == before


def test_a_page_that_mkdocs_refuses_leaves_the_old_site(edited: Paths) -> None:
    places = edited
    before = state(places.out)
    (places.written / "data.md").write_text("# Data\n\n[nowhere](nowhere.md)\n")
    with pytest.raises(BuildError, match=r"nowhere\.md"):
        build_site(places, lambda _: None)
    assert_unchanged(places, before)


def assert_unchanged(places: Paths, before: dict[str, tuple[str, int]]) -> None:
    """The old site is as it was, and nothing half-built is left beside it."""
    assert state(places.out) == before
    assert not [path for path in places.out.parent.iterdir() if path.name.startswith(".site")]


def test_staging_again_writes_only_what_changed_and_removes_what_is_stale(edited: Paths) -> None:
    places = edited
    (places.staged / "stale.md").write_text("# Gone\n")
    before = state(places.staged)
    stage_site(places, lambda _: None)
    after = state(places.staged)
    assert before.keys() - after.keys() == {"stale.md"}
    assert [path for path in after if after[path] != before[path]] == ["data.md"]


def test_a_run_keeps_its_page_in_a_frame_when_the_next_campaign_is_published(built: Built, tmp_path: Path) -> None:
    places = built.copied(tmp_path / "copy")
    (older,) = (path.relative_to(places.out) for path in places.out.glob("runs/*--*.html"))
    before = read((places.out / older).read_text())
    raw = next((places.out / "data").glob("*/*/fastapi.yml"))
    inode = raw.stat().st_ino
    synthetic.write(
        places.results, rounds=2, seconds=1, run="next", campaign="2026-12-04", started="2026-12-04T09:00:00Z",
        variants=FEW, seed=2,
    )  # fmt: skip
    build_site(places, lambda _: None)
    html = (places.out / older).read_text()
    after = read(html)
    names = ("title", "og:title", "og:description", "og:url", "description")
    metas, others = (
        {
            attributes.get("property") or attributes.get("name"): attributes.get("content")
            for tag, attributes in reader.found
            if tag == "meta"
        }
        for reader in (before, after)
    )
    assert [metas.get(name) for name in names] == [others.get(name) for name in names]
    assert f'<link rel="canonical" href="{places.site_url}{older.as_posix()}">' in html
    anchors, after_anchors = (
        [attributes.get("id") for tag, attributes in reader.found if tag == "h1"] for reader in (before, after)
    )
    assert anchors == after_anchors
    facts = [text for text in before.texts if "AMD" in text]
    assert facts
    assert facts == [text for text in after.texts if "AMD" in text]
    assert "rtsite:frame" not in html
    assert not (places.out / "runs" / "older.html").exists()
    sitemap = (places.out / "sitemap.xml").read_text()
    assert sitemap.count(f"<loc>{places.site_url}{older.as_posix()}</loc>") == 1
    assert "runs/older.html" not in sitemap
    assert gzip.decompress((places.out / "sitemap.xml.gz").read_bytes()).decode() == sitemap
    assert raw.stat().st_ino == inode, "what has not changed is not written again"


def test_raw_results_are_files_on_the_site_not_links(built: Built) -> None:
    places = built.places
    assert not [path for path in places.staged.rglob("*") if path.is_symlink()]
    for path in places.results.rglob("*.yml"):
        published = places.out / "data" / path.relative_to(places.results)
        assert not published.is_symlink()
        assert published.read_bytes() == path.read_bytes()
    assert (places.out / "data" / "history.json").is_file()
    assert (places.out / "data" / "latest.json").is_file()


@pytest.mark.usefixtures("rendered_at_once")
@pytest.mark.parametrize("renames", [1, 2])
def test_an_interrupt_while_sites_change_places_leaves_one(
    edited: Paths, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    places = edited
    before = state(places.out)
    really, seen = Path.rename, []

    def interrupted(path: Path, target: Path) -> Path:
        if places.out in (path, target):
            seen.append(path)
            if len(seen) == renames:
                raise KeyboardInterrupt
        return really(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_site(places, lambda _: None)
    assert_unchanged(places, before)


@pytest.mark.usefixtures("rendered_at_once")
def test_a_full_disk_at_the_end_is_reported_and_leaves_the_old_site(
    edited: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = edited
    before = state(places.out)

    def full(folder: Path, into: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(into))

    monkeypatch.setattr(staging, "move_into", full)
    with pytest.raises(BuildError, match="No space left"):
        build_site(places, lambda _: None)
    assert state(places.out) == before


def test_what_cannot_be_copied_leaves_the_old_site(edited: Paths) -> None:
    places = edited
    before = state(places.out)
    gone = next(places.results.glob("*/*/fastapi.yml"))

    def remove(said: str) -> None:
        if said.startswith("Rendering"):
            gone.unlink()

    gone.write_text(gone.read_text() + "# looked at\n")
    with pytest.raises(StagingError, match=r"fastapi\.yml"):
        build_site(places, remove)
    assert_unchanged(places, before)


def test_a_hand_written_page_cannot_shadow_a_generated_one(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (checkout / "site" / "dimensions").mkdir()
    (checkout / "site" / "dimensions" / "performance.md").write_text("# Mine\n")
    with pytest.raises(StagingError, match=r"dimensions/performance\.md"):
        stage_site(in_folder(tmp_path, tmp_path / "results", checkout), lambda _: None)


def test_a_folder_that_is_no_site_is_not_replaced(results: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="files that rtsite did not make"):
        build_site(in_folder(tmp_path, results), lambda _: None)
    assert (tmp_path / "site" / "thesis.tex").exists()


def test_the_site_never_replaces_its_own_sources(results: Path) -> None:
    for out in (ROOT, ROOT / "site", ROOT.parent):
        with pytest.raises(UsageError, match="would replace"):
            build_site(Paths(ROOT, results, ROOT / "build" / "docs", out), lambda _: None)


def test_a_results_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        Paths.of_checkout(ROOT, results=tmp_path / "nowhere")


def test_an_installed_package_takes_pages_from_its_bundle_and_results_from_where_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, work = tmp_path / "lib" / "rtsite_bundle", tmp_path / "work"
    bundle.mkdir(parents=True)
    (work / "results").mkdir(parents=True)
    monkeypatch.setattr("generator.site_build.BUNDLED", bundle)
    paths = Paths.of_checkout(work)
    assert paths.results == work / "results"
    assert paths.out == work / "build" / "site"
    assert paths.written == bundle / "site"
    assert paths.frameworks == tmp_path / "lib" / "runners" / "frameworks"
    with pytest.raises(UsageError, match="choose one with --results"):
        Paths.of_checkout(tmp_path)


@pytest.mark.usefixtures("rendered_at_once")
def test_two_builds_at_once_are_refused(edited: Paths) -> None:
    places = edited
    with (places.staged.parent / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match=r"another build or server is running in .*; wait until it ends"):
            build_site(places, lambda _: None)
    assert build_site(places, lambda _: None).read_text() == "rendered at once"
    assert "One line more." in (places.staged / "data.md").read_text()


@pytest.mark.usefixtures("rendered_at_once")
def test_nothing_is_built_where_nothing_has_changed(edited: Paths) -> None:
    places = edited
    page = build_site(places, lambda _: None)
    written_ns = page.stat().st_mtime_ns
    said: list[str] = []
    assert build_site(places, said.append) == page
    assert said == ["The site is up to date."]
    assert page.stat().st_mtime_ns == written_ns
    run = next(places.results.glob("*/*/run.yml"))
    run.write_text(run.read_text() + "# looked at\n")
    build_site(places, said.append)
    assert page.stat().st_mtime_ns > written_ns


def test_a_taken_port_is_one_sentence(results: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} cannot be used: .*; choose another"):
            serve_live(in_folder(tmp_path, results), port, lambda _: None)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Reader]:
    """Elements and text of each page of the site."""
    return {page: read(page.read_text()) for page in site.rglob("*.html")}


def test_ids_are_unique_on_every_page(pages: dict[Path, Reader]) -> None:
    assert len(pages) > 20
    for page, reader in pages.items():
        ids = [attributes["id"] or "" for _, attributes in reader.found if "id" in attributes]
        assert sorted(set(ids)) == sorted(ids), page


def test_pages_stay_light(site: Path) -> None:
    sizes = {
        path.relative_to(site).as_posix(): len(gzip.compress(path.read_bytes(), mtime=0))
        for path in site.rglob("*.html")
    }
    assert max(sizes.values()) <= 250_000, max(sizes, key=lambda page: sizes[page])
    assert sizes["index.html"] <= 150_000


def test_zensical_makes_the_same_pages_of_the_same_sources(built: Built, tmp_path: Path) -> None:
    """It ignores hooks and plugins that it does not know, so all that a page holds must be staged.

    The site has pages of every kind.
    """
    site = built.copied(tmp_path / "copy").out
    assert {folder.name for folder in site.iterdir()} >= {"compare", "dimensions", "frameworks", "runs", "tests"}
    assert (site / "tests" / "capacity.html").is_file()
    config = yaml.safe_load((site.parent / "mkdocs.yml").read_text())
    config["site_dir"] = "zensical"
    (site.parent / "zensical.yml").write_text(yaml.safe_dump(config))
    finished = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict", "-f", site.parent / "zensical.yml"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    other = site.parent / "zensical"
    pages, others = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if path.parent.name != "embed"}
        for folder in (site, other)
    )
    assert pages == others
    assert "Messages answered per second" in (other / "tests" / "echo.html").read_text()
    assert (other / "workloads" / "echo.html").read_bytes() == (site / "workloads" / "echo.html").read_bytes()


def test_the_site_makes_no_external_requests(pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        for tag, attributes in reader.found:
            source = attributes.get("src") or (attributes.get("href") if tag == "link" else "") or ""
            allowed = tag == "link" and attributes.get("rel") == "canonical"
            assert allowed or not re.match(r"(https?:)?//", source), f"{page}: {source}"


def test_the_raw_files_are_published_unchanged(site_results: Path, site: Path) -> None:
    for path in site_results.rglob("*.yml"):
        assert (site / "data" / path.relative_to(site_results)).read_bytes() == path.read_bytes()


def test_hostile_results_make_a_harmless_site(checkout: Path, tmp_path: Path) -> None:
    synthetic.write(tmp_path / "results", rounds=2, seconds=1, text=HOSTILE, variants=SOME)
    out = build_site(in_folder(tmp_path, tmp_path / "results", checkout), lambda _: None).parent
    plain = tmp_path / "plain"
    synthetic.write(plain / "results", rounds=2, seconds=1, variants=SOME)
    harmless = build_site(in_folder(plain, plain / "results", checkout), lambda _: None).parent
    for page in out.rglob("*.html"):
        reader, expected = read(page.read_text()), read((harmless / page.relative_to(out)).read_text())
        # The same page without the hostile text has the same elements: the text made none.
        assert [tag for tag, _ in reader.found] == [tag for tag, _ in expected.found], page
        for tag, attributes in reader.found:
            assert not any(name.startswith("on") for name in attributes), (page, tag)
            assert not (attributes.get("href") or "").startswith("javascript"), page
    assert HOSTILE in "".join(read((out / "frameworks" / "fastapi.html").read_text()).texts)
    assert "<script>alert" not in (out / "search" / "search_index.json").read_text()


@pytest.mark.parametrize("frameworks", [{"reference"}, {"fastapi"}, {"fastapi", "reference"}])
def test_a_run_with_little_in_it_makes_a_site(checkout: Path, tmp_path: Path, frameworks: set[str]) -> None:
    """One round, and too few frameworks to compare: what ``rtsite run --framework fastapi`` leaves."""
    chosen = tuple(made for made in synthetic.VARIANTS if made.framework in frameworks)
    synthetic.write(tmp_path / "results", rounds=1, seconds=1, variants=chosen)
    page = build_site(in_folder(tmp_path, tmp_path / "results", checkout), lambda _: None)
    said = "nothing to compare" if "fastapi" in frameworks else "no framework has a value that counts"
    assert said in page.read_text()


def test_a_campaign_of_several_runs_makes_one_site(checkout: Path, tmp_path: Path) -> None:
    """What one run measured and another searched stands on the same pages, each with the run it is from."""
    results = tmp_path / "results"
    synthetic.write(results, rounds=2, seconds=1, run="timed", only=("echo", "dashboard"), variants=SOME)
    synthetic.write(
        results,
        rounds=1,
        seconds=1,
        run="searched",
        only=("capacity",),
        variants=SOME,
        started="2026-11-21T09:00:00Z",
        flamed=("django-channels",),
    )
    out = build_site(in_folder(tmp_path, results, checkout), lambda _: None).parent
    home, capacity = ("".join(read((out / page).read_text()).texts) for page in ("index.html", "tests/capacity.html"))
    assert "in 2 runs" in home
    assert "Echo and Live dashboard" in home or "echo and dashboard" in home
    framework = out / "frameworks" / "django-channels"
    for words in ("run timed", "run searched"):
        assert words in (framework / "results.html").read_text(), words
    assert "Where the time goes" in (framework / "code.html").read_text()
    for run in ("timed", "searched"):
        assert (out / "runs" / f"2026-11-20--{run}.html").is_file()
    assert "in 2 runs" not in capacity
