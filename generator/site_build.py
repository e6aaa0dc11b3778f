"""The steps of a build: load, compose, stage, render, replace."""

from __future__ import annotations

import gc
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import distributions
from pathlib import Path
from types import MappingProxyType

from generator import exports, mkdocs_process, site_folder, staging
from generator.comparison import History, past_of
from generator.dataset import (
    Dataset,
    facts_of,
    file_digest,
    headline_variants,
    load_claims,
    load_questions,
    load_rates,
    load_results,
    load_sources,
    load_workloads,
)
from generator.pages import (
    PROOF_MARKER,
    card_path,
    complete_index,
    fill_frame,
    keep_compiled_templates,
    make_proof,
    make_site,
    run_html,
    with_terms_explained,
)
from generator.pages.markup import TEMPLATES
from generator.share_cards import Card, CardCache, card_of_written, with_card
from generator.site_folder import BuildError
from runners.record import NothingToDoError, UsageError, files_below

BUNDLED = Path(__file__).parents[1] / "rtsite_bundle"
"""Files that a wheel contains besides the packages, see ``force-include`` in pyproject.toml. Not in a checkout."""

_CODE = Path(__file__).parents[1]
"""The folder above our packages."""

HERE = "http://127.0.0.1:8000/"
"""The default address of a site."""

_KEPT = (facts_of, past_of, exports.row_texts, run_html)
"""What a site needs of every run, also of those whose measurements it does not show."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Paths:
    """The paths of a build. The build clears ``staged``, and replaces its own files in ``out`` at the end."""

    root: Path
    """The checkout; for an installed package, the folder that the user works in."""
    results: Path
    staged: Path
    out: Path
    address: str = ""
    """The address that the site is made for; empty: that of the environment variable ``RTSITE_SITE_URL``, or `HERE`."""

    @classmethod
    def of_checkout(cls, root: Path, *, results: Path | None = None, out: Path | None = None) -> Paths:
        """The default paths below ``root``. If it is not a checkout, pages come from the installed package.

        Raises `UsageError` if the results folder does not exist.
        """
        chosen = results or root / "results"
        try:
            real_results, real_out = _real(chosen), _real(out or root / "build" / "site")
            is_there = chosen.is_dir()
        except OSError as error:
            raise UsageError(
                f"the folders cannot be used: {error.strerror} ({error.filename}); choose others"
            ) from None
        if not is_there:
            raise UsageError(
                f"folder {chosen} does not exist; choose one with --results that contains <campaign>/<run>/run.yml"
            )
        return cls(root, real_results, root / "build" / "docs", real_out)

    def served(self, address: str) -> Paths:
        """The paths of a server's own copy of the site, so that builds and a server do not disturb each other."""
        folder = self.staged.parent / "served"
        return replace(self, staged=folder / "docs", out=folder / "site", address=address)

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
    def cards(self) -> Path:
        """The pictures of links that were drawn before."""
        return self.staged.parent / "cards"

    @property
    def compiled(self) -> Path:
        """Our templates as Jinja compiled them."""
        return self.staged.parent / "templates"

    @property
    def overrides(self) -> Path:
        """The staged templates of the theme that we change."""
        return self.staged.parent / mkdocs_process.OVERRIDDEN

    @property
    def assets(self) -> Path:
        return _CODE / "generator" / "assets"

    @property
    def config(self) -> Path:
        """The staged configuration: the top-level ``mkdocs.yml`` with the navigation."""
        return self.staged.parent / "mkdocs.yml"

    @property
    def base_config(self) -> Path:
        return self.sources / "mkdocs.yml"

    @property
    def site_url(self) -> str:
        return self.address or os.environ.get("RTSITE_SITE_URL") or HERE

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of all files that a site is made of, except `base_config`."""
        return (
            self.results,
            self.written,
            self.frameworks,
            self.rates.parent,
            self.assets,
            TEMPLATES,
            mkdocs_process.OVERRIDES,
        )

    def inputs(self) -> Iterator[Path]:
        """All files that a site is made of, except our code. Raises `OSError` for a folder that cannot be read."""
        yield self.base_config
        for folder in self.folders:
            yield from files_below(folder)


def build_site(paths: Paths, say: Say) -> Path:
    """Build the site into ``paths.out`` and return its home page, as the last work of a process; see `rebuild_site`."""
    with _uncollected():
        return rebuild_site(paths, say)


def rebuild_site(paths: Paths, say: Say) -> Path:
    """Build the site into ``paths.out`` if an input or the site has changed, and return its home page.

    On any error and interrupt the old site stays, and no temporary folder is left. Raises `RtsiteError`.
    """
    with _system_errors_named(paths):
        digests = _digests_of_inputs(paths)
        _check_out(paths, digests)
        made = site_folder.read_made(paths.out)
        _check_results(paths, digests, made)
        inputs = _joined(paths, digests)
        changed: list[str] = []
        if made is not None and made.inputs == inputs:
            changed = site_folder.changed_by_others(paths.out, made)
            if not changed:
                say("The site is up to date.")
                return paths.out / "index.html"
            say(f"{len(changed)} files of the site were changed or removed, such as {changed[0]}; building them again.")
        with _staging_alone(paths), site_folder.replacing(paths.out) as work:
            new = site_folder.NewFiles(None if changed else paths.out)
            files = stage_site(paths, say, digests)
            say("Rendering with MkDocs …")
            site, beside = work / "site", work / "beside"
            problem = mkdocs_process.render(paths.config, site, meanwhile=lambda: files.put_beside(beside, new.put))
            if problem:
                raise BuildError(f"MkDocs does not accept the staged pages in {paths.staged}: {problem}")
            staging.move_into(beside, site)
            files.put_after(site, new.put)
            site_folder.write_made(site, inputs, len(_run_files(paths, digests)), new.digests)
            site_folder.replace(work, paths.out)
    return paths.out / "index.html"


@contextmanager
def _system_errors_named(paths: Paths) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise BuildError("cannot build the site: this machine has too little memory for its sources") from None
    except OSError as error:
        place = error.filename or paths.out
        raise BuildError(
            f"cannot build the site: {error.strerror or error} ({place}); rtsite must be able to read the sources, and"
            f" to write to {paths.staged.parent} and {paths.out.parent}"
        ) from None


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


def stage_site(paths: Paths, say: Say, digests: Mapping[Path, str] = MappingProxyType({})) -> staging.Files:
    """Write changed pages, assets and exports for MkDocs, and delete stale ones.

    Returns all files, including those that bypass MkDocs. ``digests``: see `generator.dataset.file_cache`.
    """
    say(f"Reading {paths.results} …")
    keep_compiled_templates(paths.compiled)
    sources = load_sources(paths.frameworks)
    abilities = {slug: source.cannot for slug, source in sources.items() if source.cannot is not None}
    definitions = load_workloads(paths.written / "workloads.json")
    dataset = load_results(paths.results, paths.cache, digests, _KEPT, _makers_program())
    dataset = replace(dataset.with_abilities(abilities), definitions=definitions)
    say(f"{len(dataset.runs)} run{'' if len(dataset.runs) == 1 else 's'}; making pages …")
    history = History(dataset.runs)
    claims = load_claims(paths.written / "claims.yml")
    asked = load_questions(paths.written / "questions.yml")
    versions = {slug: definition.version for slug, definition in definitions.items()}
    site = make_site(dataset, sources, claims, history, versions, asked, repository_address())
    files = staging.Files()
    measured = _when_and_where(dataset)
    rendered = [page for page in site.pages if not page.frame]
    cards = {
        page.card: Card(page.title, page.answer or page.description, measured) for page in rendered if not page.is_frame
    }
    files.add_tree(paths.written, "")
    for name in files.paths(".md"):
        source = files.text(name)
        if card := card_of_written(source, measured):
            cards[card_path(name)] = card
            source = with_card(source, card_path(name))
        files.replace_text(name, with_terms_explained(source, name))
    for page in rendered:
        files.add(page.path, with_terms_explained(page.text(), page.path))
        if page.is_frame:
            files.add_after(
                partial(fill_frame, frame=page, pages=[one for one in site.pages if one.frame == page.path])
            )
    files.add_after(partial(complete_index, pages=[page for page in site.pages if page.is_found]))
    for path, html in site.moved.items():
        files.add(path, html)
    for path, make in site.files.items():
        files.add_beside(path, make)
    drawn = CardCache(paths.cards)
    drawn.keep_only(cards.values())
    for path, card in cards.items():
        files.add_beside(path, partial(drawn.get, card))
    rates = load_rates(paths.rates)
    files.fill("methodology.md", PROOF_MARKER, make_proof(rates))
    files.replace("data.md", exports.ANY_SITE, paths.site_url)
    if rates is not None:
        files.add("data/twins/rates.json", paths.rates)
        files.add_tree(paths.rates.parent / "results", "data/twins")
    assets = {f"assets/{name}": asset for name, asset in staging.bundled(paths.assets).items()}
    for name, asset in assets.items():
        files.add(name, asset)
    for run in dataset.runs:
        for raw, file in run.files:
            files.add_beside(f"data/{raw}", file, digests.get(file, ""))
    headlines = headline_variants(dataset.runs, sources)
    for path, text in exports.files(dataset, paths.site_url, headlines, history.changes, site.comparison).items():
        files.add(path, text)
    for path, export in exports.over_time(dataset.runs).items():
        files.add_beside(path, export)
    for evidence in dataset.evidence:
        files.add_beside(f"data/{evidence.raw}", evidence.path, digests.get(evidence.path, ""))
    written = files.write(paths.staged)
    overrides = staging.Files()
    overrides.add_tree(mkdocs_process.OVERRIDES, "")
    overrides.write(paths.overrides)
    mkdocs_process.write_config(
        paths.config,
        paths.base_config,
        paths.staged,
        paths.out,
        mkdocs_process.Addresses(paths.site_url, repository_address()),
        site.nav,
        assets.keys(),
    )
    say(f"{len(site.pages)} pages, {written} of {len(files)} staged files changed.")
    return files


def _when_and_where(dataset: Dataset) -> str:
    """When and on what the newest results were measured, for pictures; empty without results."""
    if not dataset.headline:
        return ""
    newest = max((run.document for run in dataset.headline), key=lambda document: document.started)
    return f"rtsite · measured {newest.started[:10]} on {newest.machine.cpu_model}"


def repository_address() -> str:
    """The address of the project's repository: that of ``RTSITE_REPOSITORY``, or of the workflow that builds the site;
    empty on other machines.

    Raises `UsageError` if it is not an https address.
    """
    found = os.environ.get("RTSITE_REPOSITORY", "")
    if not found and (name := os.environ.get("GITHUB_REPOSITORY")):
        found = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    if found and not re.fullmatch(r"https://[\w.:-]+(/[\w.~-]+)+/?", found):
        raise UsageError(
            f"RTSITE_REPOSITORY is {found!r}, which is no address of a repository; expected one such as"
            " https://github.com/owner/name"
        )
    return found.rstrip("/").removesuffix(".git")


def _digests_of_inputs(paths: Paths) -> dict[Path, str]:
    """Digests of all inputs of the site: results, pages, applications, templates."""
    return {file: file_digest(file) for file in paths.inputs()}


def _joined(paths: Paths, digests: Mapping[Path, str]) -> str:
    """One digest of all files, of the program, and of the site's address."""
    joined = hashlib.sha256(f"{_program()} {paths.site_url} {repository_address()}".encode())
    for file, of_content in digests.items():
        joined.update(f"\0{file}\0{of_content}".encode(errors="surrogateescape"))
    return joined.hexdigest()


@cache
def _program() -> str:
    """What makes a site of its inputs: Python, all installed packages, our code. A process loads each once."""
    packages = sorted(f"{one.name} {one.version}" for one in distributions())
    ours = (file for name in ("generator", "runners/record") for file in files_below(_CODE / name))
    return f"{sys.version} {packages} {[file_digest(file) for file in ours if file.suffix == '.py']}"


def _makers_program() -> str:
    """What makes of a run what is kept of it. A live server reads templates again when they change."""
    return hashlib.sha256(f"{_program()} {list(map(file_digest, files_below(TEMPLATES)))}".encode()).hexdigest()


def _run_files(paths: Paths, digests: Mapping[Path, str], depth: int = 3) -> list[Path]:
    """All ``run.yml`` that many levels below the results folder."""
    return [
        file
        for file in digests
        if file.name == "run.yml"
        and file.is_relative_to(paths.results)
        and len(file.relative_to(paths.results).parts) == depth
    ]


def _check_results(paths: Paths, digests: Mapping[Path, str], made: site_folder.Made | None) -> None:
    """Raise an error if this is not the folder of results: an empty site would replace the old one."""
    if _run_files(paths, digests):
        return
    for depth in (1, 2, 4, 5):
        for found in _run_files(paths, digests, depth):
            raise UsageError(
                f"{paths.results} contains no <campaign>/<run>/run.yml, but {found}; choose another folder with"
                f" --results, such as {found.parents[2]}"
            )
    if made is not None and made.runs:
        raise NothingToDoError(
            f"{paths.results} contains no runs, but the site in {paths.out} shows {made.runs}; choose another folder"
            f" with --results, or delete {paths.out} to build a site without results"
        )


def _real(path: Path) -> Path:
    """The path without links; a link to itself stays."""
    return Path(os.path.realpath(path))


def _check_out(paths: Paths, digests: Mapping[Path, str]) -> None:
    """Raise `UsageError` if the site would be among its sources, contain them, or replace what rtsite did not make."""
    out = _real(paths.out)
    sources = _folders_of(paths, digests)
    links = {file for file in digests if file.is_symlink()}
    for kept in sorted(
        {
            paths.root,
            paths.base_config,
            paths.staged,
            paths.config,
            paths.cache,
            paths.cards,
            paths.compiled,
            paths.overrides,
        }
        | sources
        | links
    ):
        if _real(kept).is_relative_to(out):
            raise UsageError(f"the site cannot go to {out}: that would replace {kept}; choose another folder")
    ours = {paths.staged, paths.root / ".git", _CODE / "generator", _CODE / "runners"}
    for source in sorted(ours | sources):
        if out.is_relative_to(_real(source)):
            raise UsageError(f"the site cannot go to {out}: that is among the files in {source}; choose another folder")
    if out.exists() and (not out.is_dir() or (site_folder.read_made(out) is None and any(out.iterdir()))):
        raise UsageError(f"{out} contains files that rtsite did not make; empty it or choose another folder")


def _folders_of(paths: Paths, files: Iterable[Path]) -> set[Path]:
    """All folders of sources, without the folders in them that are where they seem to be: only links lead elsewhere."""
    known, found = set(paths.folders), set(paths.folders)
    for file in files:
        if file != paths.base_config:
            for parent in file.parents:
                if parent in known:
                    break
                known.add(parent)
                if parent.is_symlink():
                    found.add(parent)
    return found


@contextmanager
def _staging_alone(paths: Paths) -> Iterator[None]:
    """Lock the folder of staged pages: a second build would write the same pages, so it fails and changes nothing."""
    folder = paths.staged.parent
    is_known = (folder / site_folder.LOCK).exists()
    for ours in (paths.staged, paths.config, paths.cards, paths.compiled, paths.overrides):
        if not is_known and (ours.is_file() or (ours.is_dir() and any(ours.iterdir()))):
            raise BuildError(f"{ours} was not made by rtsite, which stages pages there; move it to another folder")
    with site_folder.locked(folder, f"another build or server is running in {folder}; wait until it ends"):
        yield
