"""Servers that speak TLS, themselves or behind a proxy; what goes wrong with their certificates is one sentence."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from runners.record.schema import Topology
from runners.serving import certificate, deployment
from runners.serving.certificate import Certificate
from runners.serving.deployment import StageError, serve_variant
from runners.subjects.catalog import Framework
from tests.support import needs

PROXIES: tuple[Topology, ...] = ("nginx-tls", "haproxy-tls")


def test_a_server_with_its_own_tls(reference: Framework, tmp_path: Path) -> None:
    variant = reference.variants[0].under("", "tls")
    with serve_variant(reference, variant, logs=tmp_path, checks={"health", "echo-text"}) as serving:
        assert serving.server.websocket_url == f"wss://127.0.0.1:{serving.server.port}"
        assert serving.proxy is None
        assert serving.tls is not None
        assert serving.tls.version == "TLSv1.3"
        assert serving.tls.certificate == "ECDSA secp256r1"
        made = serving.certificate
        assert made is not None
        assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
        serving.kill()
        serving.restart()
        serving.recheck({"echo-text"})
        assert serving.certificate == made


@pytest.mark.parametrize("topology", PROXIES)
def test_tls_that_ends_at_a_proxy(reference: Framework, tmp_path: Path, topology: Topology) -> None:
    program = needs.proxy_program(topology)
    variant = reference.variants[0].under("", topology)
    with serve_variant(reference, variant, logs=tmp_path, checks={"health", "echo-text"}) as serving:
        assert serving.proxy is not None
        assert serving.server.url == f"https://127.0.0.1:{serving.proxy.port}"
        assert serving.server.base_url == f"http://127.0.0.1:{serving.server.port}"
        assert serving.tls is not None
        assert serving.tls.version == "TLSv1.3"
    facts = program.facts()
    assert any("FOLDER/" in line and ".pem" in line for line in facts.configuration)
    assert not any(str(tmp_path) in line for line in facts.configuration)


def another_issuer(folder: Path) -> Certificate:
    made = certificate.make_certificate(folder)
    made.authority.unlink()
    trustme.CA().cert_pem.write_to_path(made.authority)
    return made


def issued(folder: Path, *names: str, not_after: dt.datetime | None = None) -> Certificate:
    made = certificate.make_certificate(folder)
    authority = trustme.CA()
    other = authority.issue_cert(*names, not_after=not_after)
    for path, blob in (
        (made.authority, authority.cert_pem),
        (made.key, other.private_key_pem),
        (made.certificate, other.cert_chain_pems[0]),
    ):
        path.unlink()
        blob.write_to_path(path)
    return made


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (another_issuer, "the server's certificate is not trusted: "),
        (
            lambda folder: issued(folder, "example.org"),
            "the server's certificate is for another host: IP address mismatch",
        ),
        (
            lambda folder: issued(folder, "127.0.0.1", not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
            "the server's certificate is not valid today: certificate has expired",
        ),
    ],
    ids=["issuer", "host", "expired"],
)
def test_a_certificate_that_clients_refuse_is_recorded_as_that(
    reference: Framework,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], Certificate],
    reason: str,
) -> None:
    monkeypatch.setattr(deployment, "make_certificate", lambda folder, _: make(folder))
    with (
        pytest.raises(StageError) as raised,
        serve_variant(reference, reference.variants[0].under("", "tls"), logs=tmp_path),
    ):
        pass
    assert raised.value.failure.stage == "start"
    assert not raised.value.unavailable
    assert reason in raised.value.failure.reason


def test_a_server_that_ignores_tls_is_recorded_as_that(reference: Framework, tmp_path: Path) -> None:
    changes = {"tls": ["--host", "127.0.0.1"], "start_timeout_s": 4.0}
    plain = reference.variants[0].model_copy(update=changes).under("", "tls")
    with pytest.raises(StageError) as raised, serve_variant(reference, plain, logs=tmp_path):
        pass
    assert "accepts connections, but did not finish a TLS handshake" in raised.value.failure.reason


def test_a_variant_without_tls_of_its_own_is_refused_in_one_sentence(reference: Framework, tmp_path: Path) -> None:
    without = reference.variants[0].model_copy(update={"tls": None}).under("", "tls")
    assert not without.fits("tls")
    assert without.fits("nginx-tls")
    with (
        pytest.raises(StageError, match=r"has no TLS of its own; use --topology nginx-tls"),
        serve_variant(reference, without, logs=tmp_path),
    ):
        pass
