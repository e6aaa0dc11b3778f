"""Reverse proxies between clients and a server. They are located on this machine and started for one deployment."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from runners import machine, process
from runners.loadgen.causes import harmless
from runners.record import ProxyFacts, UnavailableError, unknown_name
from runners.record.schema import Topology
from runners.serving.broker.program import SYSTEM_PLACES, find_in
from runners.serving.certificate import BOTH, CERTIFICATE, KEY, Certificate
from runners.serving.proxy_log import complaints_in
from runners.subjects.catalog import Framework, Variant
from runners.subjects.topologies import TOPOLOGIES

_READY_S = 5.0
_MOST_FILES = 65_536
_OTHER_FILES = 100
"""Files that a proxy needs besides its connections."""


class ProxyError(UnavailableError):
    """The proxy is not installed, or it does not start."""


@dataclass(frozen=True)
class _Kind:
    """How a proxy is configured and started."""

    title: str
    program: str
    package: str
    """Debian's package."""
    source: str
    """The documentation that the configuration follows."""
    configure: Callable[[str, object, Sequence[object], object], str]
    """From the address of all, the proxy's port, the ports of the servers, and a folder, which has the files of a
    `Certificate`. With several servers it keeps each client with one of them."""
    command: Callable[[Path, Path, Path], list[str]]
    """From the program, the configuration and a folder."""


def _files() -> int:
    """How many files a proxy may open. Each client takes two: its own connection, and one to the server."""
    return min(_MOST_FILES, machine.open_files().hard)


def _nginx(address: str, port: object, servers: Sequence[object], folder: object, *, secure: bool = False) -> str:
    # A worker under another user could not write to our folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    stored = "".join(
        f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # nginx has these two by itself since 1.23.4; older ones leave TLS 1.3 out.
    tls = f"""        ssl_certificate {folder}/{CERTIFICATE};
        ssl_certificate_key {folder}/{KEY};
        ssl_protocols TLSv1.2 TLSv1.3;
"""
    is_sticky = len(servers) > 1
    upstream = "".join(f"        server {address}:{server};\n" for server in servers)
    return f"""{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {_files()};
pid {folder}/nginx.pid;
error_log stderr info;
events {{
    worker_connections {_files() - _OTHER_FILES};
}}
http {{
    access_log off;
{stored}    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ''      close;
    }}
{_NGINX_COOKIE if is_sticky else ""}    upstream app {{
{_NGINX_HASH if is_sticky else ""}{upstream}    }}
    server {{
        listen {address}:{port}{" ssl" if secure else ""};
{tls if secure else ""}        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_redirect off;
            proxy_buffering off;
{_NGINX_SET if is_sticky else ""}        }}
    }}
}}
"""


_NGINX_COOKIE = """    map $cookie_server $client {
        default $cookie_server;
        ''      $request_id;
    }
    map $cookie_server $new_client {
        default '';
        ''      'server=$request_id; Path=/; HttpOnly';
    }
"""
"""Open source nginx has no sticky cookie in the versions of distributions. The first request of a client gets a random
cookie, and the hash of a cookie is always the same server. ``ip_hash`` would send all clients of one address, such as
those of our load, to one server."""
_NGINX_HASH = "        hash $client;\n"
_NGINX_SET = "            add_header Set-Cookie $new_client;\n"


def _haproxy(address: str, port: object, servers: Sequence[object], folder: object, *, secure: bool = False) -> str:
    is_sticky = len(servers) > 1
    upstream = "".join(
        f"    server app{number} {address}:{server} cookie app{number}\n"
        if is_sticky
        else f"    server app {address}:{server}\n"
        for number, server in enumerate(servers, 1)
    )
    return f"""global
    maxconn {(_files() - _OTHER_FILES) // 2}
    nbthread 1
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option dontlog-normal
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend clients
    bind {address}:{port}{f" ssl crt {folder}/{BOTH}" if secure else ""}
    default_backend app
backend app
{_HAPROXY_COOKIE if is_sticky else ""}{upstream}"""


_HAPROXY_COOKIE = "    balance roundrobin\n    cookie server insert indirect nocache httponly\n"


_KINDS: dict[Topology, _Kind] = {
    "nginx": _Kind(
        "nginx",
        "nginx",
        "nginx-light",
        "https://nginx.org/en/docs/http/websocket.html",
        _nginx,
        lambda program, file, folder: [str(program), "-p", str(folder), "-e", "stderr", "-c", str(file)],
    ),
    "haproxy": _Kind(
        "HAProxy",
        "haproxy",
        "haproxy",
        "https://www.haproxy.com/documentation/haproxy-configuration-tutorials/protocol-support/websocket/",
        _haproxy,
        lambda program, file, _: [str(program), "-db", "-f", str(file)],
    ),
}
_KINDS["nginx-tls"] = replace(
    _KINDS["nginx"],
    source="https://nginx.org/en/docs/http/configuring_https_servers.html",
    configure=partial(_nginx, secure=True),
)
_KINDS["haproxy-tls"] = replace(
    _KINDS["haproxy"],
    source="https://www.haproxy.com/documentation/haproxy-configuration-tutorials/security/ssl-tls/client-side-encryption/",
    configure=partial(_haproxy, secure=True),
)
PROGRAMS: tuple[Topology, ...] = tuple(topology for topology, kind in _KINDS.items() if kind.program == topology)
"""One topology of each proxy program."""


@dataclass(frozen=True)
class ProxyProgram:
    """A proxy found on this machine."""

    topology: Topology
    path: Path
    version: str

    @property
    def title(self) -> str:
        return _KINDS[self.topology].title

    def facts(self, *, is_sticky: bool = False) -> ProxyFacts:
        """The facts for a result file. The configuration has placeholders for its ports and its folder.

        ``is_sticky``: whether it is in front of several servers as well.
        """
        kind = _KINDS[self.topology]
        text = kind.configure(process.LOOPBACK, "PORT", ["SERVER"], "FOLDER")
        sticky = kind.configure(process.LOOPBACK, "PORT", ["SERVER_1", "SERVER_2"], "FOLDER") if is_sticky else ""
        return ProxyFacts(
            name=kind.title,
            version=self.version,
            configuration=text.splitlines(),
            sha256=_digest(text),
            sticky_configuration=sticky.splitlines(),
            sticky_sha256=_digest(sticky) if is_sticky else None,
            source=kind.source,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Proxy:
    """A running proxy in front of a server."""

    child: process.Child
    port: int
    title: str

    @property
    def log_bytes(self) -> int:
        """The length of its log so far."""
        with contextlib.suppress(OSError):
            return self.child.log.stat().st_size
        return 0

    def complaints(self, after_bytes: int = 0) -> list[str]:
        """The errors that it has logged, most frequent first. ``after_bytes``: leave out the beginning of its log."""
        try:
            data = self.child.log.read_bytes()[after_bytes:]
        except OSError:
            return []
        found = complaints_in(data.decode("utf-8", "replace").splitlines())
        return [f"{self.title}: {harmless(text)}" for text in found]

    def stop(self) -> None:
        self.child.stop()


def find_proxy(topology: Topology) -> ProxyProgram:
    """The proxy of this topology on PATH, or where servers are installed; raises `ProxyError`."""
    kind = _KINDS[topology]
    path = shutil.which(kind.program) or find_in(SYSTEM_PLACES, kind.program)
    if path is None:
        raise ProxyError(
            f"there is no {kind.program} on PATH or in {', '.join(SYSTEM_PLACES)}; install it, for example with"
            f" `apt-get install {kind.package}`, or remove --topology {topology}"
        )
    try:
        done = subprocess.run(
            [path, "-v"], capture_output=True, text=True, check=False, timeout=10, env=process.copied_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProxyError(f"`{path} -v` failed: {error}; repair it or remove it") from None
    found = re.search(r"(?:nginx/|version )(\d[\w.+-]*)", done.stdout + done.stderr)
    return ProxyProgram(topology, Path(path), found[1] if found else "0")


def named_topology(name: str) -> Topology:
    """The topology of this name. Raises `UsageError` if there is none, and `ProxyError` if this machine lacks it."""
    found = next((topology for topology in TOPOLOGIES if topology == name), None)
    if found is None:
        raise unknown_name("topology", name, get_args(Topology))
    return find_proxy(found).topology if TOPOLOGIES[found].is_proxy else found


def needs_sticky_sessions(framework: Framework, variant: Variant, workers: int) -> bool:
    """Whether a proxy in front of this variant balances between servers of one process each, with sticky sessions.

    A session of Socket.IO over long-polling is many requests, and only the process that opened it knows it:
    https://socket.io/docs/v4/using-multiple-nodes/.
    """
    return framework.protocol == "socket.io" and TOPOLOGIES[variant.topology].is_proxy and workers > 1


def start_proxy(
    program: ProxyProgram,
    *servers: int,
    cpus: Sequence[int],
    logs: Path,
    address: str = process.LOOPBACK,
    certificate: Certificate | None = None,
) -> Proxy:
    """Start a proxy on a free port of this address, in front of the servers on these ports of it. If these are several,
    it keeps each client with one of them.

    ``certificate``: the one of a proxy that speaks TLS. Raises `ProxyError` or `ProcessError`.
    """
    kind = _KINDS[program.topology]
    port = process.find_free_port(address)
    folder = logs / program.topology
    folder.mkdir(parents=True, exist_ok=True)
    if certificate is not None:
        certificate.copy_to(folder)
    file = folder / "configuration"
    file.write_text(kind.configure(address, port, servers, folder.resolve()), encoding="utf-8")
    child = process.start(
        kind.title,
        kind.command(program.path, file.resolve(), folder.resolve()),
        folder=folder,
        environment=dict(os.environ),
        cpus=cpus,
        log=logs / f"{program.topology}.log",
    )
    if not process.becomes_ready(child, lambda: _listens(address, port), _READY_S):
        raise ProxyError(f"{kind.title} does not listen on port {port}: {' '.join(child.last_lines(3))}")
    return Proxy(child, port, kind.title)


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1.0):
            return True
    except OSError:
        return False
