"""Measures a page of each type with Lighthouse in four categories, as on a phone: the median of several runs.

    uv run python -m benchmarks.lighthouse [--results results] [--repeats 5] [--page PAGE] [--desktop]

Needs npx (Node.js 20 or newer) and Chromium. The exit code is 1 if a category is below 95, or if scripts block for more
than 150 ms or the layout shifts by more than 0.02. The site is served compressed, as by a host of static pages.
"Performance" depends on the load of this machine, so run it on a quiet one.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

from generator.site_build import Paths, build_site

ROOT = Path(__file__).parents[1]
LIGHTHOUSE = "lighthouse@12.8.2"
PAGES = (
    "index.html",
    "scoreboard.html",
    "for/request-reply.html",
    "pick.html",
    "questions.html",
    "frameworks/fastapi.html",
    "compare/fastapi-vs-starlette.html",
    "tests/dashboard.html",
    "dimensions/performance.html",
)
BROWSERS = ("chromium", "google-chrome", "chromium-headless-shell")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
ENOUGH = 95
LIMITS = {"total-blocking-time": 150.0, "cumulative-layout-shift": 0.02}
"""The most milliseconds for which scripts may block, and the largest shift of the layout."""
_COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".yml"}


class _Compressed(SimpleHTTPRequestHandler):
    """Serves text compressed, over persistent connections."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in _COMPRESSED or not path.is_file():
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes())
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", self.guess_type(path)),
            ("Content-Encoding", "gzip"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def ask(url: str, preset: str, home: Path) -> dict[str, float]:
    """The Lighthouse scores of a page, 0 to 100, and the values of `LIMITS`; failed audits are written to standard
    error.
    """
    report = home / "report.json"
    subprocess.run(
        [
            *("npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", f"--output-path={report}"),
            f"--only-categories={','.join(CATEGORIES)}",
            "--chrome-flags=--headless --no-sandbox --disable-background-networking",
            *(["--preset=desktop"] if preset == "desktop" else []),
        ],
        check=True,
        timeout=300,
        env=os.environ | {"CHROME_PATH": next(filter(None, map(shutil.which, BROWSERS)), "")},
    )
    found = json.loads(report.read_text(encoding="utf-8"))
    for name in CATEGORIES:
        for reference in found["categories"][name]["auditRefs"]:
            audit = found["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                sys.stderr.write(f"  {name}: {audit['title']} {audit.get('displayValue', '')}\n")
    scores = {name: 100 * (found["categories"][name]["score"] or 0) for name in CATEGORIES}
    return scores | {name: float(found["audits"][name]["numericValue"]) for name in LIMITS}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--page", action="append", help="only this page, such as pick.html; repeatable")
    parser.add_argument("--desktop", action="store_true", help="as on a desktop instead")
    arguments = parser.parse_args()
    preset = "desktop" if arguments.desktop else "mobile"
    is_enough = True
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        home = Path(folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Compressed, directory=str(home / "site"))) as server:
            address = f"http://127.0.0.1:{server.server_port}/"
            os.environ["RTSITE_SITE_URL"] = address
            build_site(Paths(ROOT, arguments.results.resolve(), home / "build" / "docs", home / "site"), lambda _: None)
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            for page in arguments.page or PAGES:
                runs = [ask(address + page, preset, home) for _ in range(arguments.repeats)]
                middle = {name: median(run[name] for run in runs) for name in runs[0]}
                is_enough &= min(middle[name] for name in CATEGORIES) >= ENOUGH
                is_enough &= all(middle[name] <= most for name, most in LIMITS.items())
                told = ", ".join(f"{name} {value:.3g}" for name, value in middle.items())
                sys.stdout.write(f"{page} ({preset}): {told}\n")
                sys.stdout.flush()
            server.shutdown()
            thread.join()
    sys.exit(not is_enough)


if __name__ == "__main__":
    main()
