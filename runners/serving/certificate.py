"""Certificates of the servers under test, made for one deployment, and what clients agree with such a server."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from runners import process
from runners.loadgen import tls
from runners.loadgen.causes import describe
from runners.loadgen.job import ClientOptions
from runners.record import RtsiteError, TlsFacts

CERTIFICATE, KEY, BOTH = "certificate.pem", "key.pem", "both.pem"
"""Names of the files: the server's certificate, its private key, and both in one file."""
_AUTHORITY = "authority.pem"
_NAMES = (process.LOOPBACK, "localhost")
"""The certificate names them besides the address of the server."""
_TIMEOUT_S = 5.0


class TlsError(RtsiteError):
    """The TLS handshake with a server failed."""


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate, in PEM, in one folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.folder / CERTIFICATE

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.folder / KEY

    @property
    def authority(self) -> Path:
        """The certificate of its issuer, which clients trust."""
        return self.folder / _AUTHORITY

    def copy_to(self, folder: Path) -> None:
        """Copy what a server needs into this folder."""
        for name in (CERTIFICATE, KEY, BOTH):
            shutil.copy(self.folder / name, folder / name)


def make_certificate(folder: Path, address: str = process.LOOPBACK) -> Certificate:
    """Make a certificate authority, and a certificate of it for this address: ECDSA keys on P-256.

    The files are only for this user to read, and go with the folder. The authority's own key is not kept.
    """
    import trustme  # here, because it takes a tenth of a second and few commands need it

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert(*dict.fromkeys((address, *_NAMES)), key_type=trustme.KeyType.ECDSA)
    made = Certificate(folder.resolve())
    authority.cert_pem.write_to_path(made.authority)
    issued.private_key_pem.write_to_path(made.key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(made.certificate, append=True)
    issued.private_key_and_cert_chain_pem.write_to_path(folder / BOTH)
    return made


def negotiate(host: str, port: int, certificate: Certificate) -> TlsFacts:
    """What the load generator's TLS agrees with the server at this port. Raises `TlsError` if that fails."""
    options = ClientOptions(ca=str(certificate.authority))
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
            tls.wrap(plain, host, options) as secure,
        ):
            secure.settimeout(_TIMEOUT_S)
            secure.do_handshake()
            cipher, der = secure.cipher(), secure.getpeercert(binary_form=True)
            version, group = secure.version(), tls.OPENSSL.group_of(secure)
    except TimeoutError:
        raise TlsError(f"port {port}: the TLS handshake was not finished within {_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise TlsError(f"port {port}: {describe(error)[1]}") from None
    assert cipher is not None
    assert der is not None
    assert version is not None
    return TlsFacts(version=version, cipher=cipher[0], group=group, certificate=_kind_of(der))


def _kind_of(der: bytes) -> str:
    """The kind of key in a certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    match x509.load_der_x509_certificate(der).public_key():
        case ec.EllipticCurvePublicKey() as key:
            return f"ECDSA {key.curve.name}"
        case rsa.RSAPublicKey() as key:
            return f"RSA {key.key_size}"
        case key:
            return type(key).__name__.removesuffix("PublicKey")
