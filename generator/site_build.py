"""The steps of a build: load, compose, stage, render, swap."""

from __future__ import annotations

import fcntl
import gc
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from generator import exports, mkdocs_process, staging
from generator.comparison import History
from generator.dataset import file_digest, load_claims, load_rates, load_results, load_sources
from generator.pages import PROOF_MARKER, make_proof, make_site
from runners.record import RtsiteError, UsageError

MARKER = ".made-by-rtsite"
"""A file in every site that rtsite built. Only a folder with this file, or an empty one, is replaced. It contains the
digest of all inputs of the site."""

BUNDLED = Path(__file__).parents[1] / "rtsite_bundle"
"""Files that a wheel contains besides the packages, see ``force-include`` in pyproject.toml. Not in a checkout."""

HERE = "http://127.0.0.1:8000/"
"""The default address of a site, the same as in mkdocs.yml."""

Say = Callable[[str], None]


class BuildError(RtsiteError):
    """The site could not be built; the old one is unchanged."""


@dataclass(frozen=True)
class Paths:
    """The paths of a build. The build clears ``staged``, and replaces all of ``out`` at the end."""

    root: Path
    """The checkout; for an installed package, the folder that the user works in."""
    results: Path
    staged: Path
    out: Path

    @classmethod
    def of_checkout(cls, root: Path, *, results: Path | None = None, out: Path | None = None) -> Paths:
        """The default paths below ``root``. If it is not a checkout, pages come from the installed package.

        Raises `UsageError` if the results folder does not exist.
        """
        needed = root / "results" if results is None and BUNDLED.is_dir() else results
        if needed is not None and not needed.is_dir():
            raise UsageError(
                f"folder {needed} does not exist; choose one with --results that contains <campaign>/<run>/run.yml"
            )
        return cls(
            root,
            (results or root / "results").resolve(),
            root / "build" / "docs",
            (out or root / "build" / "site").resolve(),
        )

    @property
    def sources(self) -> Path:
        """The folder with the other sources of the site: the checkout, or the files installed with the package."""
        return BUNDLED if BUNDLED.is_dir() else self.root

    @property
    def written(self) -> Path:
        """The folder of hand-written pages."""
        return self.sources / "site"

    @property
    def frameworks(self) -> Path:
        above = BUNDLED.parent if BUNDLED.is_dir() else self.root
        return above / "runners" / "frameworks"

    @property
    def rates(self) -> Path:
        """The proof of the method, see `generator.dataset.rates`."""
        return self.sources / "benchmarks" / "power" / "rates.json"

    @property
    def cache(self) -> Path:
        """The cache of parsed results, see `generator.dataset.file_cache`."""
        return self.staged.parent / "results.cache"

    @property
    def assets(self) -> Path:
        return Path(__file__).parent / "assets"

    @property
    def config(self) -> Path:
        """The staged configuration: the top-level ``mkdocs.yml`` with the navigation."""
        return self.staged.parent / "mkdocs.yml"


def build_site(paths: Paths, say: Say) -> Path:
    """Build the site into ``paths.out`` and return its home page; on an error the old site is unchanged."""
    _check_out(paths)
    digests = _digests_of_inputs(paths)
    made_of, marker = _joined(digests), paths.out / MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == made_of:
        say("The site is up to date.")
        return paths.out / "index.html"
    with _alone(paths.staged.parent), _uncollected(), _beside(paths.out) as fresh:
        files = stage_site(paths, say, digests)
        say("Rendering with MkDocs …")
        site, beside = fresh / "site", fresh / "beside"
        problem = mkdocs_process.render(paths.config, site, meanwhile=lambda: files.put_beside(beside))
        if problem:
            raise BuildError(f"MkDocs does not accept the staged pages in {paths.staged}: {problem}")
        try:
            staging.move_into(beside, site)
            (site / MARKER).write_text(made_of, encoding="utf-8")
            _swap(site, paths.out, old=fresh / "old")
        except OSError as error:
            raise BuildError(f"cannot move the site to its folder: {error.strerror} ({error.filename})") from None
    return paths.out / "index.html"


@contextmanager
def _uncollected() -> Iterator[None]:
    """Disable garbage collection, which would repeatedly search millions of objects and free none.

    The objects are freed when the process ends.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def stage_site(
    paths: Paths, say: Say, digests: Mapping[Path, str] = MappingProxyType({}), *, is_served: bool = False
) -> staging.Files:
    """Write changed pages, assets and exports for MkDocs, and delete stale ones.

    Returns all files, including those that bypass MkDocs. ``digests``: see `generator.dataset.file_cache`.
    ``is_served``: see `generator.staging`.
    """
    say(f"Reading {paths.results} …")
    dataset = load_results(paths.results, paths.cache, digests)
    say(f"{len(dataset.runs)} run{'' if len(dataset.runs) == 1 else 's'}; making pages …")
    history = History(dataset.runs)
    site = make_site(dataset, load_sources(paths.frameworks), load_claims(paths.written / "claims.yml"), history)
    files = staging.Files()
    for page in site.pages:
        files.add_text(page.path, page.text())
    files.add_tree(paths.written, "")
    rates = load_rates(paths.rates)
    files.fill("methodology.md", PROOF_MARKER, make_proof(rates))
    if rates is not None:
        files.add_file(paths.rates, "data/twins/rates.json")
        files.add_tree(paths.rates.parent / "results", "data/twins")
    assets = {f"assets/{name}": asset for name, asset in staging.hashed_names(paths.assets).items()}
    for name, asset in assets.items():
        files.add_file(asset, name)
    for run in dataset.runs:
        files.add_beside(f"data/{run.raw}", run.path)
        for result in run.frameworks:
            files.add_beside(f"data/{result.raw}", result.path)
            if result.flames is not None:
                files.add_beside(f"data/{result.flames_raw}", result.flames_path)
    for path, text in exports.files(dataset, _site_url()).items():
        files.add_text(path, text)
    for path, make in exports.over_time(history).items():
        files.add_beside(path, make)
    for evidence in dataset.evidence:
        files.add_beside(f"data/{evidence.raw}", evidence.path)
    written = files.write(paths.staged, is_served=is_served)
    mkdocs_process.write_config(
        paths.config, paths.sources / "mkdocs.yml", paths.staged, paths.out, site.nav, assets.keys()
    )
    say(f"{len(site.pages)} pages, {written} of {len(files)} staged files changed.")
    return files


def _digests_of_inputs(paths: Paths) -> dict[Path, str]:
    """Digests of all inputs of the site: results, pages, applications, our own code."""
    code = Path(__file__).parent
    folders = (
        paths.results,
        paths.written,
        paths.frameworks,
        paths.rates.parent,
        code,
        code.parent / "runners" / "record",
    )
    files = chain([paths.sources / "mkdocs.yml"], *map(_files_below, folders))
    return {file: file_digest(file) for file in files}


def _joined(digests: Mapping[Path, str]) -> str:
    """One digest of all files, the version of MkDocs, and the site's address."""
    joined = hashlib.sha256(f"{version('mkdocs')} {version('mkdocs-material')} {_site_url()}".encode())
    for file, of_content in digests.items():
        joined.update(f"\0{file}\0{of_content}".encode())
    return joined.hexdigest()


def _files_below(folder: Path) -> Iterator[Path]:
    """All files in order, without compiled Python and hidden files."""
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if name != "__pycache__" and not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _site_url() -> str:
    """The address of the site."""
    return os.environ.get("RTSITE_SITE_URL") or HERE


def _check_out(paths: Paths) -> None:
    out = paths.out
    for ours in (paths.root, paths.written, paths.results, paths.staged, paths.root / "generator"):
        if ours.resolve().is_relative_to(out):
            raise UsageError(f"the site cannot go to {out}: that would replace {ours}; choose another folder")
    is_foreign = out.is_dir() and any(out.iterdir()) and not (out / MARKER).exists()
    if is_foreign or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} contains files that rtsite did not make; empty it or choose another folder")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder: a second build would write the same staged pages, so it fails and changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(f"another build is running in {folder}; wait until it ends") from None
        yield


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A temporary folder on the same file system, so that the site can be moved by a rename."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    except OSError as error:
        raise BuildError(f"cannot write to {out.parent}: {error.strerror}; choose another with --out") from None
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, out: Path, old: Path) -> None:
    """Replace the old site by two renames once the new one is complete. ``old``: the old site's new path."""
    try:
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
