"""A new site replaces an old one: files of others stay, at whatever step the process is interrupted or killed."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from generator.site_folder import (
    MARKER,
    BuildError,
    NewFiles,
    changed_by_others,
    fingerprints,
    read_made,
    replace,
    replacing,
    write_made,
)

OTHERS = {".git/config": "[core]", ".git/refs/.keep": "", "CNAME": "bench.example.org", "data/mine.txt": "mine"}
OLD = {"index.html": "old", "data/old.json": "{}", "gone/page.html": "gone"}
NEW = {"index.html": "new", "data/new.json": "{}", "added/page.html": "added"}

_refuse: Callable[[], None] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _refuse is not None and event in {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.scandir"}:
        _refuse()


@pytest.fixture(scope="module", autouse=True)
def _watched_files() -> None:
    """Python reports every call of the file system to this hook; hooks cannot be removed."""
    sys.addaudithook(_hook)


class Killed(BaseException):
    """No code handles it, and no code cleans up after it: every further call raises it, too."""


@contextmanager
def refusing(call: int, error: Callable[[], BaseException], *, for_ever: bool = False) -> Iterator[list[int]]:
    """Raise an error at the ``call``-th call of the file system, or at all from then on; yields the number of calls."""
    global _refuse
    seen = [0]

    def refuse() -> None:
        seen[0] += 1
        if seen[0] == call or (for_ever and seen[0] > call):
            raise error()

    _refuse = refuse
    try:
        yield seen
    finally:
        _refuse = None


def write(folder: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARKER
    }


def build(out: Path, files: dict[str, str], runs: int = 1) -> None:
    with replacing(out) as work:
        write(work / "site", files)
        write_made(work / "site", "inputs", runs)
        replace(work, out)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A site with files of others."""
    folder = tmp_path / "home" / "site"
    build(folder, OLD)
    write(folder, OTHERS)
    (folder / ".git" / "empty").mkdir()
    return folder


def test_files_of_others_stay_and_ours_are_replaced(out: Path) -> None:
    build(out, NEW)
    assert contents(out) == NEW | OTHERS
    assert (out / ".git" / "empty").is_dir()
    assert not (out / "gone").exists()
    assert [path.name for path in out.parent.iterdir()] == ["site"]


ERRORS: list[Callable[[], BaseException]] = [
    KeyboardInterrupt,
    lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
]


@pytest.mark.parametrize("error", ERRORS, ids=["interrupt", "full disk"])
def test_an_error_at_any_step_leaves_one_whole_site(tmp_path: Path, error: Callable[[], BaseException]) -> None:
    for call in range(1, 1000):
        folder = tmp_path / str(call) / "site"
        build(folder, OLD)
        write(folder, OTHERS)
        with suppress(KeyboardInterrupt, OSError), refusing(call, error) as seen:
            build(folder, NEW)
        assert contents(folder) in (OLD | OTHERS, NEW | OTHERS), call
        if seen[0] < call:
            break
        build(folder, NEW)
        assert contents(folder) == NEW | OTHERS
        assert [path.name for path in folder.parent.iterdir()] == ["site"], call
    else:
        pytest.fail("the build never came to its end")


def test_the_next_build_settles_what_a_killed_one_left(tmp_path: Path) -> None:
    for call in range(1, 1000):
        folder = tmp_path / str(call) / "site"
        build(folder, OLD)
        write(folder, OTHERS)
        with suppress(Killed), refusing(call, Killed, for_ever=True) as seen:
            build(folder, NEW)
        if seen[0] < call:
            break
        with suppress(ZeroDivisionError), replacing(folder):
            raise ZeroDivisionError  # a build that fails
        assert contents(folder) in (OLD | OTHERS, NEW | OTHERS), call
        assert [path.name for path in folder.parent.iterdir()] == ["site"], call
    else:
        pytest.fail("the build never came to its end")


@pytest.mark.parametrize("theirs", ["added/page.html", "data/new.json", "added"])
def test_a_file_of_others_is_never_overwritten(out: Path, theirs: str) -> None:
    write(out, {theirs: "theirs"})
    before = contents(out)
    with pytest.raises(BuildError, match=f"contains {theirs}, but rtsite did not make"):
        build(out, NEW)
    assert contents(out) == before


@pytest.mark.parametrize("marker", [b"", b"0123abc", b"\xff", b'{"inputs": 1, "files": []}'])
def test_without_a_list_nothing_is_removed_that_the_new_site_does_not_have(out: Path, marker: bytes) -> None:
    (out / MARKER).write_bytes(marker)
    build(out, NEW)
    assert contents(out) == OLD | NEW | OTHERS


def test_a_list_of_paths_elsewhere_removes_nothing_there(out: Path) -> None:
    write(out.parent, {"thesis.tex": "mine"})
    made = (out / MARKER).read_text()
    (out / MARKER).write_text(made.replace('"index.html"', '"../thesis.tex"'))
    build(out, {"other.html": "other"})
    assert (out.parent / "thesis.tex").read_text() == "mine"
    assert (out / "index.html").read_text() == "old"


def damaged(out: Path, how: str) -> None:
    page = out / "index.html"
    if how == "edited":
        page.write_text("new")
    elif how == "emptied":
        page.write_bytes(b"")
    elif how == "removed":
        page.unlink()
    elif how == "unreadable":
        page.chmod(0o200)
    elif how == "linked":
        page.rename(out / "copy.html")
        page.symlink_to("copy.html")
    else:
        (out / "data").rename(out / "moved")
        (out / "data").symlink_to("moved")


@pytest.mark.parametrize("how", ["edited", "emptied", "removed", "unreadable", "linked", "folder linked"])
def test_a_damaged_site_is_noticed_and_mended(out: Path, how: str) -> None:
    made = read_made(out)
    assert made is not None
    assert changed_by_others(out, made) == []
    damaged(out, how)
    assert changed_by_others(out, made) == ["data/old.json" if how == "folder linked" else "index.html"]
    (out / "copy.html").unlink(missing_ok=True)
    if how != "folder linked":
        build(out, OLD)
        assert changed_by_others(out, made) == []


@pytest.mark.parametrize(
    ("change", "is_linked"),
    [
        (lambda page: None, True),
        (lambda page: page.write_text("odd"), False),
        (lambda page: page.chmod(0o600), False),
        (lambda page: page.unlink(), False),
        (lambda page: (page.with_name(MARKER)).write_text(""), False),
    ],
    ids=["nothing", "edited", "mode", "removed", "marker emptied"],
)
def test_what_the_old_site_has_is_linked_and_nothing_else(
    out: Path, tmp_path: Path, change: Callable[[Path], object], is_linked: bool
) -> None:
    page = out / "index.html"
    change(page)
    if page.exists() and page.read_text() == "odd":
        later = (out / MARKER).stat().st_mtime_ns + 1
        os.utime(page, ns=(later, later))
    new, source = NewFiles(out), tmp_path / "source"
    source.write_text("old")
    digest = hashlib.sha256(b"old").hexdigest()
    (tmp_path / "new").mkdir()
    for path, content, known in (
        ("index.html", b"old", ""),
        ("data/old.json", b"{}", ""),
        ("deep/er/added.html", b"old", ""),
        ("raw.yml", source, digest),
    ):
        new.put(tmp_path / "new", path, content, known)
    put = tmp_path / "new" / "index.html"
    assert put.read_text() == "old"
    assert (page.exists() and put.samefile(page)) == is_linked
    assert (tmp_path / "new" / "raw.yml").read_text() == "old"
    assert fingerprints(tmp_path / "new", new.digests) == fingerprints(tmp_path / "new")


def test_a_file_that_is_known_is_linked_unread(out: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("xyz")
    new = NewFiles(out)
    (tmp_path / "new").mkdir()
    new.put(tmp_path / "new", "index.html", source, hashlib.sha256(b"old").hexdigest())
    assert (tmp_path / "new" / "index.html").samefile(out / "index.html")


def test_one_folder_has_one_build_at_a_time(out: Path) -> None:
    with replacing(out), pytest.raises(BuildError, match=r"another build of .* is running; wait until it ends"):
        build(out, NEW)
    build(out, NEW)


def test_a_folder_of_the_same_name_as_ours_keeps_what_others_put_into_it(out: Path) -> None:
    work = out.with_name(".site.rtsite-build")
    write(work, {"thesis.tex": "mine"})
    build(out, NEW)
    assert (work / "thesis.tex").read_text() == "mine"
