"""Old addresses of pages lead to the new ones: on a server, below a path, and in a folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.support.pages import MOVED

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OLD = {
    "performance": "dimensions/performance",
    "ease-of-use": "dimensions/ease-of-use",
    "architecture": "dimensions/architecture",
    "development-experience": "dimensions/development-experience",
    "workloads/index": "tests/index",
    "workloads/echo": "tests/echo",
    "workloads/dashboard": "tests/dashboard",
    "workloads/capacity": "tests/capacity",
}
FOLLOWED = ("performance", "workloads/index", "workloads/capacity")
"""One of each depth, which a browser follows; what the others lead to is read."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def below(site: Path) -> Iterator[str]:
    """The address of the site below the path of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site.parent))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
        server.shutdown()


def test_every_page_that_has_moved_is_known(site: Path) -> None:
    found = {
        path.relative_to(site).as_posix().removesuffix(".html")
        for path in site.rglob("*.html")
        if MOVED in path.read_text(encoding="utf-8")
    }
    assert found == set(OLD)


@pytest.mark.parametrize("old", OLD)
def test_an_old_address_names_the_new_one_in_every_way(site: Path, old: str) -> None:
    html = (site / f"{old}.html").read_text(encoding="utf-8")
    found = [
        *re.findall(r'<link rel="canonical" href="([^"]*)">', html),
        *re.findall(r'content="0; url=([^"]*)"', html),
        *re.findall(r'location\.replace\("([^"]*)"', html),
        *re.findall(r'<a href="([^"]*)">', html),
    ]
    assert len(found) == 4
    for link in found:
        assert posixpath.normpath(posixpath.join(posixpath.dirname(old), link)) == f"{OLD[old]}.html"
    assert (site / f"{OLD[old]}.html").is_file()
    assert 'name="robots" content="noindex"' in html


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_old_addresses_are_followed(browser: Browser, site: Path, below: str, *, scripts: bool) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    for base in (below, f"{site.as_uri()}/"):
        for old in FOLLOWED:
            page.goto(f"{base}{old}.html", wait_until="commit")
            page.wait_for_url(f"{base}{OLD[old]}.html", wait_until="commit")
    if scripts:
        page.goto(f"{below}workloads/echo.html?frameworks=fastapi#settings", wait_until="commit")
        page.wait_for_url(f"{below}tests/echo.html?frameworks=fastapi#settings")
        assert page.locator("#settings").is_visible()
    context.close()


def test_no_page_links_to_an_old_address(site: Path) -> None:
    for path in site.rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        if MOVED not in html:
            folder = path.relative_to(site).parent.as_posix()
            links = re.findall(r'href="([^":?#]*)\.html', html)
            assert not {posixpath.normpath(posixpath.join(folder, link)) for link in links} & set(OLD), path
