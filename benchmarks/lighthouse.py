"""Measures three pages of the site with Lighthouse in four categories, as on a phone and on a desktop.

    uv run python -m benchmarks.lighthouse [--results results]

Needs npx (Node.js 20 or newer) and Chromium. The exit code is 1 if a category is below 95. The site is served
compressed, as by a host of static pages. "Performance" depends on the load of this machine, so repeat a low result.
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
from threading import Thread

from generator.site_build import Paths, build_site

ROOT = Path(__file__).parents[1]
LIGHTHOUSE = "lighthouse@12.8.2"
PAGES = ("index.html", "tests/dashboard.html", "dimensions/performance.html")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
ENOUGH = 95
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
    """The Lighthouse scores of a page, 0 to 100; failed audits are written to standard error."""
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
        env=os.environ | {"CHROME_PATH": shutil.which("chromium") or shutil.which("google-chrome") or ""},
    )
    found = json.loads(report.read_text(encoding="utf-8"))
    for name in CATEGORIES:
        for reference in found["categories"][name]["auditRefs"]:
            audit = found["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                sys.stderr.write(f"  {name}: {audit['title']} {audit.get('displayValue', '')}\n")
    return {name: 100 * (found["categories"][name]["score"] or 0) for name in CATEGORIES}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    lowest = 100.0
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        home = Path(folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Compressed, directory=str(home / "site"))) as server:
            address = f"http://127.0.0.1:{server.server_port}/"
            os.environ["RTSITE_SITE_URL"] = address
            build_site(Paths(ROOT, arguments.results.resolve(), home / "build" / "docs", home / "site"), lambda _: None)
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            pair = next((home / "site" / "compare").glob("*-vs-*.html"), None)
            for page in (*PAGES, *([f"compare/{pair.name}"] if pair else [])):
                for preset in ("mobile", "desktop"):
                    scores = ask(address + page, preset, home)
                    lowest = min(lowest, *scores.values())
                    told = ", ".join(f"{name} {score:.0f}" for name, score in scores.items())
                    sys.stdout.write(f"{page} ({preset}): {told}\n")
            server.shutdown()
            thread.join()
    sys.exit(lowest < ENOUGH)


if __name__ == "__main__":
    main()
