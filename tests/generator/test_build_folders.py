"""The folders of a build: where a site may go, and which results and sources it is made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from generator import mkdocs_process
from generator.dataset import file_digest
from generator.pages.markup import Renderer, TemplateError, make_environment
from generator.site_build import Paths, build_site
from generator.site_folder import BuildError, read_made, write_made
from runners.record import NothingToDoError, UsageError, files_below
from tests.support.depth import very_deep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without results that is built without MkDocs."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "site", folder / "site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    (folder / "results").mkdir()

    def render(config: Path, into: Path, meanwhile: Callable[[], None]) -> None:
        into.mkdir()
        (into / "index.html").write_text("a page")
        meanwhile()

    monkeypatch.setattr(mkdocs_process, "render", render)
    return folder


def build(root: Path, *, results: Path | None = None, out: Path | None = None) -> list[str]:
    """Build; returns the messages."""
    said: list[str] = []
    build_site(Paths.of_checkout(root, results=results, out=out), said.append)
    return said


@pytest.mark.parametrize(
    "out",
    ["site/new", "results/new", "site", "", "build", "build/docs/new", ".git/new", "link/new", "linked/new", ".."],
)
def test_a_site_never_goes_among_its_sources_or_around_them(root: Path, tmp_path: Path, out: str) -> None:
    (root / "link").symlink_to("site")
    (tmp_path / "linked" / "c1" / "deep").mkdir(parents=True)
    (tmp_path / "linked" / "c1" / "deep" / "notes.txt").touch()
    (root / "results" / "c1").symlink_to(tmp_path / "linked" / "c1")
    target = tmp_path / "linked" / "c1" / "new" if out == "linked/new" else root / out
    with pytest.raises(UsageError, match="the site cannot go to"):
        build(root, out=target)
    assert target.name != "new" or not target.exists()


def test_results_inside_the_folder_of_the_site_are_refused(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(root, out=out)
    (out / "mine").mkdir()
    with pytest.raises(UsageError, match="would replace"):
        build(root, results=out / "mine", out=out)


@pytest.mark.parametrize("below", ["c1/r1", "c1", "up/results"])
def test_results_that_are_in_another_folder_are_named(root: Path, below: str) -> None:
    run = root / "results" / "up" / "results" / "c1" / "r1" / "run.yml"
    run.parent.mkdir(parents=True)
    run.touch()
    wrong = {"c1/r1": run.parent, "c1": run.parents[1], "up/results": root / "results"}[below]
    with pytest.raises(UsageError, match=f"such as {run.parents[2]}$"):
        build(root, results=wrong, out=root / "build" / "site")
    assert not (root / "build").exists()


def test_an_empty_folder_of_results_does_not_replace_a_site_that_shows_runs(root: Path) -> None:
    build(root)
    out = root / "build" / "site"
    write_made(out, "other inputs", runs=3)
    with pytest.raises(NothingToDoError, match=r"contains no runs, but the site in .* shows 3"):
        build(root)
    shutil.rmtree(root / "results")
    with pytest.raises(UsageError, match="does not exist"):
        build(root)
    assert (out / "index.html").read_text() == "a page"


def linked_page(root: Path) -> None:
    (root.parent / "pages").mkdir()
    (root.parent / "pages" / "more.md").write_text("# More\n")
    (root / "site" / "more").symlink_to(root.parent / "pages")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a page": lambda root: (root / "site" / "data.md").write_text("# Data\n"),
    "a linked folder": linked_page,
    "a removed page": lambda root: (root / "site" / "data.md").unlink(),
    "mkdocs.yml": lambda root: (root / "mkdocs.yml").write_text("site_name: other\n"),
    "a removed part of the site": lambda root: (root / "build/site/data/history.json").unlink(),
    "a changed part of the site": lambda root: (root / "build/site/index.html").write_text("by hand"),
    "the mode of a part of the site": lambda root: (root / "build/site/index.html").chmod(0o600),
    "an emptied marker": lambda root: (root / "build/site/.made-by-rtsite").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(root: Path, change: str) -> None:
    build(root)
    assert build(root) == ["The site is up to date."]
    CHANGES[change](root)
    assert any(said.startswith("Rendering") for said in build(root))
    assert (root / "build/site/index.html").read_text() == "a page"
    assert build(root) == ["The site is up to date."]


def test_a_change_in_a_linked_folder_is_noticed(root: Path) -> None:
    linked_page(root)
    build(root)
    assert (root / "build" / "docs" / "more" / "more.md").read_text() == "# More\n"
    (root.parent / "pages" / "more.md").write_text("# More and more\n")
    assert build(root) != ["The site is up to date."]


def test_a_build_folder_of_another_program_is_left_alone(root: Path) -> None:
    (root / "build" / "docs").mkdir(parents=True)
    (root / "build" / "docs" / "thesis.tex").touch()
    for _ in range(2):
        with pytest.raises(BuildError, match="was not made by rtsite"):
            build(root)
    assert [path.name for path in (root / "build").rglob("*")] == ["docs", "thesis.tex"]


@pytest.mark.parametrize("place", ["build", "build/.lock/x", "build/mkdocs.yml/x", "out/.out.rtsite-build"])
def test_what_the_system_refuses_is_one_sentence_and_the_old_site_stays(root: Path, tmp_path: Path, place: str) -> None:
    out = tmp_path / "out" / "out"
    build(root, out=out)
    made = read_made(out)
    if place == "build":
        shutil.rmtree(root / "build")
    in_the_way = tmp_path / place if place.startswith("out") else root / place
    if in_the_way.parent.is_file():
        in_the_way.parent.unlink()
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()
    (root / "site" / "data.md").write_text("# Data\n")
    with pytest.raises(BuildError, match=r"^cannot (build|stage) the site") as refused:
        build(root, out=out)
    assert "\n" not in str(refused.value)
    assert read_made(out) == made
    assert {path.name for path in out.parent.iterdir()} <= {"out", ".out.rtsite-build"}


@pytest.mark.parametrize("text", ["{% if", "{{ 1 + 'a' }}", "{{ nothing }}", "{{ 'a'.no() }}"])
def test_a_template_that_cannot_be_rendered_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("generator.pages.markup.TEMPLATES", tmp_path)
    (tmp_path / "home.html").write_text(f"<p>\n{text}\n")
    with pytest.raises(TemplateError, match=r"home\.html:[23]: .*; fix the template$"):
        Renderer(make_environment(), "index.md").html("home.html")


def test_files_are_listed_through_links_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    for file in ("a/b/x.md", "other/y.md", "a/.hidden"):
        (tmp_path / file).touch()
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "a" / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "a" / "pipe")
    found = [path.relative_to(tmp_path / "a").as_posix() for path in files_below(tmp_path / "a")]
    assert found == ["b/x.md", "itself", "linked/y.md", "pipe"]
    assert list(files_below(tmp_path / "nowhere")) == []


def test_a_file_of_any_size_has_a_digest(tmp_path: Path) -> None:
    file = tmp_path / "core"
    digests = set()
    for size in (10, 10**13, 10**13 + 1):
        with file.open("wb") as opened:
            opened.truncate(size)
        digests.add(file_digest(file))
    assert len(digests) == 3
    assert "" not in digests


def test_a_folder_may_be_deeper_than_python_calls_functions(tmp_path: Path) -> None:
    with very_deep(tmp_path) as deepest:
        file = deepest / "run.yml"
        file.touch()
        assert list(files_below(tmp_path)) == [file]
        file.unlink()
