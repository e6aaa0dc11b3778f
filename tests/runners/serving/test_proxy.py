"""Proxies are found, stand in front of a server, and are stopped; what goes wrong is one sentence."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runners.record.schema import Topology
from runners.serving import deployment, proxy
from runners.serving.deployment import StageError, serve_variant
from runners.subjects.catalog import Framework
from tests.support import needs
from tests.support.processes import gone

every_proxy = pytest.mark.parametrize("topology", proxy.PROGRAMS)


@every_proxy
def test_it_is_in_front_of_a_server_and_ends_with_it(reference: Framework, tmp_path: Path, topology: Topology) -> None:
    needs.proxy_program(topology)
    with serve_variant(reference, reference.variants[0].under("", topology), logs=tmp_path) as serving:
        assert serving.proxy is not None
        assert serving.server.websocket_url == f"ws://127.0.0.1:{serving.proxy.port}"
        assert serving.server.port != serving.proxy.port
        assert set(serving.watches()) == {"server", "proxy"}
        answer = http.client.HTTPConnection("127.0.0.1", serving.proxy.port, timeout=5)
        answer.request("GET", "/healthz")
        assert answer.getresponse().status == 200
        answer.close()
        processes = [serving.server.child.pid, serving.proxy.child.pid]
    gone(processes)


@every_proxy
def test_a_restarted_server_is_behind_the_same_proxy(reference: Framework, tmp_path: Path, topology: Topology) -> None:
    needs.proxy_program(topology)
    with serve_variant(reference, reference.variants[0].under("", topology), logs=tmp_path) as serving:
        before = serving.server.websocket_url
        serving.kill()
        serving.restart()
        assert serving.server.websocket_url == before
        serving.recheck({"echo-text"})


@every_proxy
def test_its_facts_have_the_configuration_without_ports_and_folders(topology: Topology, tmp_path: Path) -> None:
    facts = needs.proxy_program(topology).facts()
    assert facts.version[0].isdigit()
    assert any("127.0.0.1:PORT" in line for line in facts.configuration)
    assert any("127.0.0.1:SERVER" in line for line in facts.configuration)
    assert str(tmp_path) not in " ".join(facts.configuration)
    text = "".join(f"{line}\n" for line in facts.configuration)
    assert facts.sha256 == hashlib.sha256(text.encode()).hexdigest()


@every_proxy
def test_none_is_one_sentence_with_the_cure(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(proxy, "SYSTEM_PLACES", (str(tmp_path),))
    with pytest.raises(proxy.ProxyError, match=rf"no {topology} on PATH .*`apt-get install .* --topology {topology}"):
        proxy.find_proxy(topology)


@every_proxy
def test_one_that_is_broken_is_one_sentence(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / topology
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    with pytest.raises(proxy.ProxyError, match=rf"`{program} -v` failed: .*; repair it or remove it"):
        proxy.find_proxy(topology)


@every_proxy
def test_a_configuration_that_it_refuses_is_one_sentence(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = needs.proxy_program(topology)
    broken = replace(proxy._KINDS[topology], configure=lambda *_: "no such directive\n")
    monkeypatch.setitem(proxy._KINDS, topology, broken)
    with pytest.raises(proxy.ProxyError, match=r"does not listen on port \d+: .*(expecting|unknown|error)"):
        proxy.start_proxy(program, 1, cpus=(), logs=tmp_path)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ("            proxy_set_header Upgrade $http_upgrade;\n", "echo-text: nginx breaks the contract: "),
        ("127.0.0.1:{upstream}", "502 Bad Gateway"),
    ],
    ids=["no-upgrade", "another-server"],
)
def test_what_it_refuses_is_a_failure_of_the_measurement_with_its_words(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str, words: str
) -> None:
    needs.proxy_program("nginx")
    kind = proxy._KINDS["nginx"]

    def configure(address: str, port: object, servers: Sequence[object], folder: object) -> str:
        text = kind.configure(address, port, servers, folder)
        return text.replace(spoilt.format(upstream=servers[0]), "" if "Upgrade" in spoilt else "127.0.0.1:1")

    monkeypatch.setitem(proxy._KINDS, "nginx", replace(kind, configure=configure))
    behind = reference.variants[0].under("", "nginx")
    with (
        pytest.raises(StageError, match=words) as raised,
        serve_variant(reference, behind, logs=tmp_path, checks={"health", "echo-text"}),
    ):
        pass
    assert raised.value.failure.stage == "ready"


def test_a_topology_that_this_machine_lacks_says_nothing_about_the_application(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(topology: Topology) -> proxy.ProxyProgram:
        raise proxy.ProxyError(f"there is no {topology}")

    monkeypatch.setattr(deployment, "find_proxy", find)
    with (
        pytest.raises(StageError) as raised,
        serve_variant(reference, reference.variants[0].under("", "haproxy"), logs=tmp_path),
    ):
        pass
    assert (raised.value.failure.stage, raised.value.unavailable) == ("proxy", True)
