"""``rtsite serve``: MkDocs serves the staged pages; we stage them again when their sources change."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from generator import mkdocs_process
from generator.pages.markup import TEMPLATES
from generator.site_build import Paths, Say, stage_site
from runners.record import RtsiteError

HOST = "127.0.0.1"
_POLL_S = 0.5


class ServeError(RtsiteError):
    """The site cannot be served."""


def serve_live(paths: Paths, port: int, say: Say) -> None:
    """Stage, serve, and stage again on every change; runs until an error or an interrupt."""
    _check_port(port)
    stage_site(paths, say, is_served=True)
    seen = _stamps(paths)
    server = mkdocs_process.start_mkdocs(paths.config, HOST, port)
    try:
        while not _answers(port):
            _check_alive(server)
        say(f"Serving http://{HOST}:{port}/ and watching results, site and templates. Press Ctrl-C to stop.")
        while True:
            _check_alive(server)
            current = _stamps(paths)
            if current != seen:
                seen = current
                _stage_again(paths, say)
    finally:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _check_alive(server: subprocess.Popen[bytes]) -> None:
    """Wait briefly; raises `ServeError` if the server ends."""
    try:
        code = server.wait(timeout=_POLL_S)
    except subprocess.TimeoutExpired:
        return
    raise ServeError(f"the server of MkDocs ended with exit code {code}; see its message above")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _stage_again(paths: Paths, say: Say) -> None:
    started = time.monotonic()
    try:
        stage_site(paths, lambda _: None, is_served=True)
    except RtsiteError as error:
        # Editors save unfinished files: report the error and keep serving.
        say(f"Not updated: {error}")
    else:
        say(f"Updated in {time.monotonic() - started:.1f} s.")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServeError(f"port {port} cannot be used: {error.strerror}; choose another with --port") from None


def _stamps(paths: Paths) -> dict[Path, tuple[int, int]]:
    """Modification time and size of every source of the pages."""
    found = {}
    for folder in (paths.results, paths.written, paths.frameworks, paths.assets, TEMPLATES):
        for path in folder.rglob("*"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if path.suffix and not path.name.startswith("."):
                found[path] = stat.st_mtime_ns, stat.st_size
    return found
