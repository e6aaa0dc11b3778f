"""Takes the README's screenshots from the committed results; needs Chromium.

uv run python -m benchmarks.pictures
"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, sync_playwright

from generator.site_build import Paths, build_site

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "site" / "images"
PICTURES = (
    # name, page, palette, width, height, selector of the element at the top of the screenshot
    ("home", "index.html", "light", 1440, 1000, None),
    ("test", "tests/dashboard.html", "dark", 1440, 1000, "figure.rt-chart"),
    ("pick", "pick.html?stack=django&users=1000", "light", 900, 760, None),
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder, sync_playwright() as playwright:
        home = Path(folder)
        build_site(Paths(ROOT, ROOT / "results", home / "build" / "docs", home / "site"), lambda _: None)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(home / "site"))) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            for picture in PICTURES:
                _take(browser, f"http://127.0.0.1:{server.server_port}/", *picture)
            server.shutdown()
        browser.close()


def _take(
    browser: Browser, address: str, name: str, page: str, scheme: str, width: int, height: int, top: str | None
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    visit = context.new_page()
    visit.goto(address + page)
    if top is not None:
        visit.locator(top).first.evaluate("element => scrollTo(0, element.getBoundingClientRect().top - 140)")
        visit.wait_for_selector(".rt-plot[data-drawn]")
    visit.wait_for_load_state("networkidle")
    visit.screenshot(path=str(TARGET / f"{name}.png"))
    context.close()


if __name__ == "__main__":
    main()
