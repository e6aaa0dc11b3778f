"""TLS of the load generator: whom it trusts, and OpenSSL's functions for the compiled kernel.

Python's `ssl` module makes the handshake. Afterwards the kernel reads and writes by itself, because Python takes many
times as long for a message. It uses the same OpenSSL connection through the library's public functions. Python does not
give that connection away, but OpenSSL reports each one that is created (CRYPTO_get_ex_new_index(3)).

Every connection makes a full handshake, like a new client. No session is resumed.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from runners.loadgen.job import NO_OPTIONS, ClientOptions

WANT_READ = 2
"""SSL_ERROR_WANT_READ of OpenSSL."""
SYMBOLS = {
    "rtsite_tls_read": "SSL_read",
    "rtsite_tls_write": "SSL_write",
    "rtsite_tls_pending": "SSL_has_pending",
    "rtsite_tls_error": "SSL_get_error",
}
"""The names under which compiled code calls OpenSSL's functions."""
_CLASS_SSL = 0
"""CRYPTO_EX_INDEX_SSL: the class of connections."""
_GET_NEGOTIATED_GROUP = 134
"""SSL_CTRL_GET_NEGOTIATED_GROUP."""
_OnCreated = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p
)


class SecureSocket(ssl.SSLSocket):
    """A socket over TLS."""

    native: int = 0
    """Address of its OpenSSL connection (``SSL *``); 0 if Python's OpenSSL cannot be called."""


class _OpenSsl:
    """The OpenSSL library that Python's `ssl` module uses; without functions if Python hides them.

    A Python that contains OpenSSL may hide its functions. Another copy of the library cannot use the connections.
    """

    def __init__(self) -> None:
        self._created = threading.local()
        self._library: ctypes.CDLL | None = None
        self._on_created: Any = None  # OpenSSL keeps its address
        self.addresses: dict[str, int] = {}
        """Addresses of the functions for compiled code, by the names in `SYMBOLS`."""
        try:
            library = ctypes.CDLL(getattr(_ssl, "__file__", None))
            found = [_address(getattr(library, function)) for function in SYMBOLS.values()]
            self._prepare(library)
        except (OSError, AttributeError):
            # Compiled code needs some address. It calls these functions only for sockets that have a `native`.
            found = [_address(ctypes.CDLL(None).recv)] * len(SYMBOLS)
        self.addresses = dict(zip(SYMBOLS, found, strict=True))

    def _prepare(self, library: ctypes.CDLL) -> None:
        library.SSL_get_fd.argtypes = [ctypes.c_void_p]
        library.SSL_has_pending.argtypes = [ctypes.c_void_p]
        library.SSL_set_read_ahead.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.SSL_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
        library.SSL_ctrl.restype = ctypes.c_long
        library.OBJ_nid2sn.argtypes = [ctypes.c_int]
        library.OBJ_nid2sn.restype = ctypes.c_char_p
        register = library.CRYPTO_get_ex_new_index
        register.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_void_p, _OnCreated, ctypes.c_void_p, ctypes.c_void_p]
        self._on_created = _OnCreated(self._note)
        if register(_CLASS_SSL, 0, None, self._on_created, None, None) >= 0:
            self._library = library

    @property
    def is_callable(self) -> bool:
        """Whether the compiled kernel can read and write over TLS."""
        return self._library is not None

    def _note(self, connection: int, *_: object) -> None:
        self._created.connection = connection

    def created_in(self, wrap: Callable[[], SecureSocket]) -> SecureSocket:
        """The socket that ``wrap`` returns, with the OpenSSL connection that this thread created for it."""
        self._created.connection = None
        sock = wrap()
        found = self._created.connection
        if self._library is not None and found and self._library.SSL_get_fd(found) == sock.fileno():
            sock.native = found
        return sock

    def read_ahead(self, sock: SecureSocket) -> None:
        """Let OpenSSL take all that has arrived from the socket. One system call then reads a record instead of two.

        Whoever reads has to read until nothing is pending, since epoll does not know what OpenSSL has already taken.
        """
        if self._library is not None and sock.native:
            self._library.SSL_set_read_ahead(sock.native, 1)

    def holds_more(self, sock: ssl.SSLSocket) -> bool:
        """Whether OpenSSL has taken more from the socket than was read; true if that is not known."""
        if self._library is None or not isinstance(sock, SecureSocket) or not sock.native:
            return True
        return bool(self._library.SSL_has_pending(sock.native))

    def group_of(self, sock: SecureSocket) -> str | None:
        """The name of the group in which the keys were agreed, such as ``X25519``; ``None`` if it is not known."""
        if self._library is None or not sock.native:
            return None
        name = self._library.OBJ_nid2sn(self._library.SSL_ctrl(sock.native, _GET_NEGOTIATED_GROUP, 0, None))
        return name.decode() if name and name != b"UNDEF" else None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


OPENSSL = _OpenSsl()


@cache
def context_for(ca: str, insecure: bool) -> ssl.SSLContext:
    """The TLS context. It is created once, because loading certificates takes longer than connecting.

    ``ca``: file of certificates in PEM that are trusted; empty: the system's. Raises `OSError` if there are none in it.
    """
    context = ssl.create_default_context(cafile=ca or None)
    context.sslsocket_class = SecureSocket
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def wrap(sock: Any, host: str, options: ClientOptions = NO_OPTIONS) -> SecureSocket:
    """A connected socket for TLS with this host. Its handshake is still to be made."""
    context = context_for(options.ca, options.insecure)

    def wrapped() -> SecureSocket:
        secure = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        assert isinstance(secure, SecureSocket)
        return secure

    return OPENSSL.created_in(wrapped)
