"""Evidence of one real framework, collected as by the command, in little time."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from runners import evidence
from runners.cli.ci import ci_evidence_command
from runners.evidence import behaviour, collection, lifecycle, packages
from runners.evidence.collection import main_variant
from runners.evidence.documentation import documented_findings
from runners.record import ITEMS, EvidenceDocument, Finding, load_evidence, problems_in
from runners.serving.deployment import serve_variant
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant
from tests.support.processes import children

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def before() -> set[int]:
    return children()


@pytest.fixture(scope="module")
def collected(results: Path, before: set[int]) -> EvidenceDocument:
    assert before is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "PASSES", 2)
        patch.setattr(behaviour, "PATIENCE_S", 1.0)
        patch.setattr(behaviour, "LOOK_S", 0.1)
        patch.setattr(packages, "first_day", lambda *_: dt.date(2026, 1, 2))
        patch.setenv("GITHUB_STEP_SUMMARY", str(results / "summary.md"))
        ci_evidence_command("test", "fastapi/uvicorn", results)
    return load_evidence(evidence.path_of(results, "test", "fastapi"))


def of(document: EvidenceDocument) -> dict[str, Finding]:
    (variant,) = document.variants
    return {finding.item: finding for finding in (*document.findings, *variant.findings)}


def test_it_is_on_disk_and_valid(results: Path, collected: EvidenceDocument) -> None:
    assert collected.framework.slug == "fastapi"
    assert problems_in(evidence.path_of(results, "test", "fastapi")) == []


def test_the_job_reports_what_it_did(results: Path, collected: EvidenceDocument) -> None:
    missing = sum(finding.value is None for finding in of(collected).values())
    said = (results / "summary.md").read_text()
    assert f"Evidence of 1 framework(s); {missing} item(s) could not be determined." in said


def test_every_item_was_established(collected: EvidenceDocument) -> None:
    found = of(collected)
    assert set(found) == set(ITEMS)
    missing = {item: finding.note for item, finding in found.items() if finding.value is None}
    rooms = missing.pop("rooms-across") or ""
    assert rooms.startswith("not proven"), "only the variant without the helper was chosen"
    assert set(missing.values()) == {"not within 1 s"}
    assert set(missing) == {"silent-close-s", "silent-end-s", "dead-peer-s"}


def test_each_item_is_where_its_table_lists_it(collected: EvidenceDocument) -> None:
    (variant,) = collected.variants
    for of_what, findings in (("framework", collected.findings), ("variant", variant.findings)):
        assert {ITEMS[finding.item].of for finding in findings} == {of_what}


def test_what_is_known_of_fastapi(collected: EvidenceDocument) -> None:
    found = of(collected)
    facts = {
        "plain-websocket": True,
        "rooms": False,
        "transports": ["websocket", "sse"],
        "sse": True,
        "polling": False,
        "broadcast-alone": True,
        "parts": 1,
        "typed": True,
        "types-known": 100.0,
        "reloader": True,
        "reconnecting-client": False,
        "authentication": "built in",
        "test-client": "built in",
        "raise-logged": True,
        # After the handshake, uvicorn's websockets-sansio sends nothing when the application raises: it logs the
        # exception, of whatever class, and closes the TCP connection.
        "raise-sender": "its connection is cut without a close frame",
        "raise-reported": False,
        "raise-others": True,
        "garbage-close-frame": True,
        "garbage-others": True,
        "drain-close-frame": True,
        "dead-peer": False,
        "several-processes": True,
        "cross-process": False,
        "client-library-kb": 0.0,
        "licence": "MIT",
        "released": "2026-01-02",
        "latest-released": "2026-01-02",
    }
    assert {item: found[item].value for item in facts} == facts
    assert "processes with" in (found["cross-process"].note or "")
    assert "1002" in str(found["garbage-sender"].value)
    assert "fastapi" in (found["authentication"].documented or "")
    pythons = found["pythons"].value
    assert isinstance(pythons, list)
    assert "3.11" in pythons


@pytest.mark.parametrize(
    ("name", "code", "is_reported"),
    [("fastapi/hypercorn", 1011, True), ("blacksheep/uvicorn", 1011, True), ("fastapi/granian", 1005, False)],
)
def test_an_exception_is_reported_by_a_code_for_errors(tmp_path: Path, name: str, code: int, is_reported: bool) -> None:
    """The server closes for FastAPI; BlackSheep closes by itself, on the server that would only cut the connection."""
    (framework,) = catalog.choose_frameworks([name])
    (variant,) = framework.variants
    found = {one.item: one.value for one in behaviour.exception_findings(framework, variant, logs=tmp_path)}
    assert found == {
        "raise-sender": f"its connection is closed, with code {code}",
        "raise-reported": is_reported,
        "raise-logged": True,
        "raise-others": True,
    }


def test_repeated_items_carry_their_spread(collected: EvidenceDocument) -> None:
    for item, finding in of(collected).items():
        if ITEMS[item].repeated and finding.value is not None:
            assert finding.samples == 2, item
            assert finding.low is not None
            assert finding.high is not None
            assert isinstance(finding.value, float | int)
            assert 0 < finding.low <= finding.value <= finding.high, item
        else:
            assert finding.samples is None


def test_nothing_is_left_running(collected: EvidenceDocument, before: set[int]) -> None:
    assert collected
    assert children() <= before


def test_what_cannot_be_determined_is_reported_and_the_rest_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without a reloader, whose server does not start; beside it, one whose lock has no hashes."""
    known = children()
    framework = broken(tmp_path)
    monkeypatch.setattr(collection, "PASSES", 2)
    monkeypatch.setattr(packages, "first_day", lambda *_: None)
    monkeypatch.setattr(behaviour, "PATIENCE_S", 1.0)
    said: list[str] = []
    (document,) = evidence.collect_evidence([unresolvable(tmp_path), framework], tmp_path, "test", said.append)
    (left_out,) = (line for line in said if "is skipped" in line)
    assert left_out.startswith("fastapi is skipped: ")
    assert "its packages cannot be installed" in left_out
    assert "no-such-package-as-this-one" in left_out
    found = of(document)
    assert set(found) == set(ITEMS)
    for item in ("start-s", "transports", "raise-sender", "dead-peer", "first-answer-s", "drain-s", "released"):
        assert found[item].value is None, item
        assert found[item].note, item
    assert found["reloader"].value is False
    assert found["authentication"].note == "process_request reads cookies and headers"
    for item in ("statements", "packages", "installed-mb", "licence"):
        assert found[item].value is not None, item
    assert children() <= known


def impatient(framework: Framework) -> Variant:
    """A server that gives up a client 0.4 s after its last word."""
    (variant,) = framework.variants
    often = [*variant.command, "--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.2"]
    return variant.model_copy(update={"command": often})


def test_each_silent_and_each_dead_client_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (framework,) = catalog.choose_frameworks(["fastapi/uvicorn"])
    monkeypatch.setattr(behaviour, "LOOK_S", 0.1)
    with serve_variant(framework, impatient(framework), logs=tmp_path) as deployment:
        (clients,) = behaviour.wait_until_noticed([deployment.server], 3)
    for findings in clients:
        found = {finding.item: finding.value for finding in findings}
        assert set(found) == set(behaviour.VANISHED)
        assert found.pop("dead-peer") is True
        assert all(isinstance(seconds, int) and seconds < behaviour.ENDING_S for seconds in found.values()), found


def test_a_client_that_cannot_connect_is_no_client_that_was_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (framework,) = catalog.choose_frameworks(["fastapi/uvicorn"])
    with serve_variant(framework, impatient(framework), logs=tmp_path) as deployment:
        started = deployment.server
    monkeypatch.setattr(behaviour, "LOOK_S", 0.1)
    ((findings,),) = behaviour.wait_until_noticed([started], 1)
    assert {finding.item: finding.value for finding in findings} == dict.fromkeys(behaviour.VANISHED)
    assert all(finding.note for finding in findings)


def broken(home: Path) -> Framework:
    """A server that ends at once. The folder's only test finds that too."""
    (framework,) = catalog.choose_frameworks(["websockets"])
    variant = main_variant(framework)
    folder = Path(shutil.copytree(framework.folder, home / "websockets"))
    (folder / "test_app.py").write_text("import app\n\n\ndef test_app():\n    assert app\n")
    program = "import app\nraise SystemExit('no licence')"
    stopping = variant.model_copy(update={"command": ["python", "-c", program, "{port}"]})
    return framework.model_copy(update={"folder": folder, "variants": [stopping]})


def unresolvable(home: Path) -> Framework:
    """Each variant has a lock of its own name; without it, the lock itself would be what is missing."""
    (framework,) = catalog.choose_frameworks(["fastapi"])
    folder = home / "fastapi"
    folder.mkdir()
    for variant in framework.variants:
        (folder / variant.requirements_name()).write_text("no-such-package-as-this-one==1.0\n")
    return framework.model_copy(update={"folder": folder})


def test_of_an_application_that_only_streams_events_no_messages_are_asked(tmp_path: Path) -> None:
    (streaming,) = (one for one in catalog.discover() if one.only_streams)
    main = main_variant(streaming)
    found = {
        finding.item: finding
        for finding in (
            *lifecycle.start_findings(streaming, main, logs=tmp_path / "start"),
            *behaviour.server_findings(streaming, main, logs=tmp_path / "server"),
            *documented_findings(streaming),
            packages.client_library(streaming),
        )
    }
    assert all(isinstance(found[item].value, float) for item in ("start-s", "memory-mb"))
    assert (found["transports"].value, found["sse"].value) == (["sse"], True)
    assert (found["plain-websocket"].value, found["plain-websocket"].note) == (False, streaming.cannot["echo"])
    assert (found["reconnecting-client"].value, found["client-library-kb"].note) == (
        True,
        "browsers include EventSource",
    )
    unasked = {"broadcast-alone", "thread-per-client", "garbage-sender", "garbage-close-frame", "garbage-others"}
    assert {item for item, finding in found.items() if finding.value is None} == {*unasked, "first-answer-s"}
    assert {found[item].note for item in unasked} == {streaming.cannot["echo"]}
