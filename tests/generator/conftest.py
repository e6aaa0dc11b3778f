"""One synthetic site for all tests that only read it, and a browser if one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from benchmarks import synthetic
from generator.site_build import Paths, build_site
from tests.support import needs
from tests.support.settings import measure_again
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

ROOT = Path(__file__).parents[2]
LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
"""The browser without a window comes first, because it needs half the CPU time."""


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, flamed=("django-channels",))
    synthetic.write_evidence(folder)
    return folder


@pytest.fixture(scope="session")
def site_results(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and the echo through a proxy."""
    folder = tmp_path_factory.mktemp("site-results") / "results"
    shutil.copytree(results, folder)
    measure_again(folder, {"topology": "nginx"}, {"echo"})
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module, not for the session: as long as it runs, no other event loop can."""
    if CHROMIUM is None:
        needs.lack("no chromium-headless-shell, chromium or google-chrome on PATH (.ci/browser installs one)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", LOOPBACK_ONLY])
        yield started
        started.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder for the site, and the address it is served at."""
    folder = tmp_path_factory.mktemp("site") / "site"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def site(site_results: Path, served: tuple[Path, str]) -> Path:
    """The folder of a built site; its staged pages are in ``../docs``."""
    folder, address = served
    with pytest.MonkeyPatch.context() as patch:
        # Instant navigation follows only links that the sitemap lists, port included.
        patch.setenv("RTSITE_SITE_URL", address)
        build_site(Paths(ROOT, site_results, folder.with_name("docs"), folder), lambda _: None)
    return folder


@pytest.fixture(scope="session")
def address(site: Path, served: tuple[Path, str]) -> str:
    """Where the built site is served."""
    return served[1]


@pytest.fixture(scope="module")
def desk(browser: Browser) -> BrowserContext:
    """One context for a module, because a new one has nothing cached."""
    return browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")


@pytest.fixture(scope="module")
def pocket(browser: Browser) -> BrowserContext:
    """The same on a phone."""
    return browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)


@pytest.fixture
def visit(desk: BrowserContext, address: str) -> Iterator[Visit]:
    yield from _visit(desk, address)


@pytest.fixture
def phone(pocket: BrowserContext, address: str) -> Iterator[Visit]:
    yield from _visit(pocket, address)


def _visit(context: BrowserContext, address: str) -> Iterator[Visit]:
    visit = Visit(context, address)
    yield visit
    visit.end()
    assert not visit.refused
    assert not visit.complaints
