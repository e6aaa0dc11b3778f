"""``rtsite serve``: serves a copy of the site, and builds it again when its sources change.

The last good site is served for as long as its sources cannot be built.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socketserver import TCPServer
from threading import Thread
from typing import Any, BinaryIO

from generator.site_build import Paths, Say, rebuild_site
from runners.record import RtsiteError

HOST = "127.0.0.1"
_POLL_S = 0.5

_EDITION = "/.edition"
"""The address that answers with the edition of the site. Pages reload when it changes."""
_RELOADING = f"""<script>
(() => {{ let first; setInterval(async () => {{
  const answer = await fetch("{_EDITION}", {{cache: "no-store"}}).catch(() => null);
  const edition = answer && answer.ok ? await answer.text() : first;
  first ??= edition;
  if (edition !== first) location.reload();
}}, 1000); }})();
</script></body>""".encode()


class ServeError(RtsiteError):
    """The site cannot be served."""


def serve_live(paths: Paths, port: int, say: Say) -> None:
    """Build, serve, and build again on every change; runs until an interrupt.

    Raises `ServeError` if the port cannot be used, and the errors of the first build.
    """
    address = f"http://{HOST}:{port}/"
    served = paths.served(address)
    with _bound(served.out, port) as server:
        seen = _stamps(served)
        rebuild_site(served, say)
        with _answering(server):
            say(f"Serving {address} and watching results, site and templates. Press Ctrl-C to stop.")
            while True:
                time.sleep(_POLL_S)
                current = _stamps(served)
                if current != seen:
                    seen = current
                    _build_again(served, server, say)


class _Server(ThreadingHTTPServer):
    """Serves the folder of a site."""

    daemon_threads = True
    edition = time.time_ns()

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that ends a connection is no error."""


class _Handler(SimpleHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path == _EDITION:
            self._send(HTTPStatus.OK, "text/plain", str(self.server.edition).encode())
        else:
            super().do_GET()

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Pages get the script that reloads them. There are no listings of folders."""
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            if not self.path.partition("?")[0].endswith("/"):
                return super().send_head()  # redirects
            path /= "index.html"
        if path.is_file() and path.suffix != ".html":
            return super().send_head()
        try:
            status, page = HTTPStatus.OK, path.read_bytes()
        except OSError:
            status, page = HTTPStatus.NOT_FOUND, self._not_found()
        self._send(status, "text/html; charset=utf-8", page.replace(b"</body>", _RELOADING))
        return None

    def _not_found(self) -> bytes:
        try:
            return Path(self.directory, "404.html").read_bytes()
        except OSError:
            return b"<body>Not found</body>"

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""


@contextmanager
def _bound(folder: Path, port: int) -> Iterator[_Server]:
    """A server that has the port; it answers later, with `_answering`."""
    try:
        server = _Server((HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise ServeError(f"port {port} cannot be used: {error.strerror}; choose another with --port") from None
    with server:
        yield server


@contextmanager
def _answering(server: _Server) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def _build_again(paths: Paths, server: _Server, say: Say) -> None:
    started = time.monotonic()
    try:
        rebuild_site(paths, lambda _: None)
    except RtsiteError as error:
        # Editors save unfinished files: report the error and keep serving.
        say(f"Not updated: {error}")
    except Exception as error:  # noqa: BLE001 - unfinished files can break anything; the next save mends it
        say(f"Not updated: {type(error).__name__}: {error}")
    else:
        server.edition += 1
        say(f"Updated in {time.monotonic() - started:.1f} s.")


def _stamps(paths: Paths) -> dict[Path, tuple[int, int] | str]:
    """Modification time and size of every source of the pages; the error of one that cannot be read."""
    try:
        return {path: _stamp(path) for path in paths.inputs()}
    except OSError as error:
        return {paths.root: str(error)}


def _stamp(path: Path) -> tuple[int, int] | str:
    try:
        stat = path.stat()
    except OSError as error:
        return str(error)
    return stat.st_mtime_ns, stat.st_size
