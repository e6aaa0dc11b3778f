"""The contract's work and sessions against a real server that keeps these promises, and against some that break one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runners.contract import App, Check, check_contract, promises
from runners.contract.server_settings import ServerSettings
from runners.contract.session_file import SESSIONS, SessionFile, token_of
from runners.loadgen.job import SESSION_NAMESPACE, USUAL_WORK_S
from runners.serving import environment
from runners.serving.deployment import Deployments, serve_variant
from runners.serving.server import Server
from runners.subjects import catalog
from runners.subjects.scenarios import ENDPOINTS
from tests.support import frameworks

pytestmark = pytest.mark.measures
ROOT = Path(__file__).parents[2]
WITH_WORK = sorted(one.folder / "app.py" for one in catalog.discover() if "work" in one.exchanges)


@contextmanager
def serving_app(folder: Path, behaviour: str, work_s: float = USUAL_WORK_S) -> Iterator[Server]:
    framework = catalog.read_folder(frameworks.make(folder / "mine", [behaviour]))
    framework = framework.model_copy(update={"exchanges": ["echo", "work", "session"]})
    with serve_variant(
        framework, framework.variants[0], logs=folder / "logs", settings=ServerSettings(work_s=work_s)
    ) as deployment:
        yield deployment.server


def checked(folder: Path, behaviour: str, checks: Collection[str], work_s: float = USUAL_WORK_S) -> list[Check]:
    with serving_app(folder, behaviour, work_s) as server:
        return server.check(checks)


@pytest.fixture(autouse=True)
def installed(environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HOME", environments)


def test_a_good_application_works_and_knows_its_users(tmp_path: Path) -> None:
    found = {one.name: one for one in checked(tmp_path, "good", {"work", "session", "session-locked"}, work_s=0.02)}
    assert [one for one in found.values() if not one.ok] == []
    assert "got it so in" in found["work"].detail
    assert "401 Unauthorized" in found["session"].detail
    assert "503 Service Unavailable" in found["session-locked"].detail


def test_a_variant_is_checked_by_its_own_exchanges(tmp_path: Path) -> None:
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    framework = framework.model_copy(update={"exchanges": ["echo", "work"]})
    variant = framework.variants[0].model_copy(update={"exchanges": ["echo"]})
    with serve_variant(framework, variant, logs=tmp_path / "logs") as deployment:
        found = deployment.server.check()
    assert [one for one in found if not one.ok] == []
    assert {one.name for one in found} == {"health", "echo-text", "echo-binary", "close"}


@pytest.mark.parametrize(
    ("behaviour", "check", "says"),
    [
        ("blocks", "work", "got so 0 of 20 times; do the work in a thread"),
        ("lazy", "work", "expected an answer after 0.02 s of work, got it after 0.00"),
        ("welcomes", "session", "the name of the user with token-"),
        ("drops", "session", "dropped connection"),
        ("accepts", "session", "to be refused before it is accepted, got it accepted and then closed"),
        ("patient", "session-locked", "while the file of sessions is locked to be refused within 1 s, got nothing"),
    ],
)
def test_one_that_breaks_a_promise_fails_its_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, check: str, says: str
) -> None:
    if behaviour == "patient":
        usual = promises.refuse_while_locked

        async def soon(app: App) -> str:
            app.timeout_s = 1.0
            return await usual(app)

        monkeypatch.setattr(promises, "refuse_while_locked", soon)
    (found,) = checked(tmp_path, behaviour, {check}, work_s=0.02)
    assert not found.ok
    assert says in found.detail


async def test_without_a_file_no_sessions_are_tested() -> None:
    assert await check_contract("http://127.0.0.1:1", "websocket", only={"session", "session-locked"}) == []


def test_a_file_has_users_that_nobody_can_guess_and_can_be_locked(tmp_path: Path) -> None:
    one, other = SessionFile(tmp_path / "one.sqlite3"), SessionFile(tmp_path / "two.sqlite3")
    one.write()
    other.write()
    assert one.user_of(token_of(0)) != one.user_of(token_of(SESSIONS - 1))
    assert one.user_of(token_of(0)) != other.user_of(token_of(0))
    with pytest.raises(LookupError, match="has no session 'token-20000'"):
        one.user_of(token_of(SESSIONS))


def test_the_load_generator_shows_the_tokens_of_the_file() -> None:
    client = ENDPOINTS["session"].client
    assert client.of_client(17).headers == (("Cookie", f"session={token_of(17)}"),)
    assert client.namespace == SESSION_NAMESPACE


@pytest.mark.parametrize("app", WITH_WORK, ids=lambda app: app.parent.name)
def test_every_application_with_work_reads_its_length_by_the_line_of_the_contract(app: Path) -> None:
    assert f"\n{promises.WORK_LINE}\n" in app.read_text()


def test_the_contract_has_that_line() -> None:
    assert promises.WORK_LINE in (ROOT / "CONTRIBUTING.md").read_text()


def test_a_server_is_told_only_what_is_not_usual(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "sessions.sqlite3")
    assert ServerSettings().variables() == {}
    assert ServerSettings(push_period_s=0.2, work_s=0.02, sessions=file).variables() == {
        "PUSH_PERIOD_S": "0.2",
        "WORK_S": "0.02",
        "SESSIONS_DB": str(file.path),
    }


def test_servers_of_a_pool_share_one_file_of_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    write = SessionFile.write

    def note(file: SessionFile) -> None:
        written.append(file.path)
        write(file)

    monkeypatch.setattr(SessionFile, "write", note)
    framework = catalog.read_folder(frameworks.make(tmp_path / "mine", ["good"]))
    variant = framework.variants[0]
    knowing = framework.model_copy(update={"exchanges": ["echo", "session"]})
    told = []
    with Deployments() as pool:
        for one in (framework, knowing, knowing):
            with pool.take(one, variant, cpus=(), workers=1, fresh=True) as deployment:
                deployment.start({"session"})
                told.append(deployment.server.settings.sessions)
    assert told[0] is None, "it knows no sessions"
    assert [one.path for one in told[1:] if one is not None] == written * 2
    assert len(written) == 1
