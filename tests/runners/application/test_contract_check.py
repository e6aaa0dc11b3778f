"""The report of a contract check, also for servers that fail."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runners import resources
from runners.application import contract_check
from runners.application.contract_check import VariantReport, check_frameworks, check_named, judge_reports
from runners.contract import Check
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.process import ProcessError
from runners.record import InvalidError, UnavailableError, UsageError
from runners.serving import deployment as deployed
from runners.serving.broker import BrokerError
from runners.serving.deployment import StageError
from runners.serving.environment import CannotInstallError, InstallError
from runners.serving.server import NotReadyError
from runners.subjects import catalog

GOOD = Check("echo-text", True, "the text came back")


@dataclass
class Server:
    stops: bool
    child: Any = field(default_factory=lambda: SimpleNamespace(pid=0))

    def check(self) -> list[Check]:
        return [GOOD]

    def stop(self) -> bool:
        return self.stops


@dataclass
class Deployment:
    server: Server = field(default_factory=lambda: Server(True))


LOOP = Check("loop", True, "the server runs on uvloop, and its variant states loop = 'uvloop'")


def serve(monkeypatch: pytest.MonkeyPatch, outcome: Deployment | StageError, *, on_uvloop: bool = True) -> None:
    @contextlib.contextmanager
    def serve_variant(*_: Any, **__: Any) -> Iterator[Deployment]:
        if isinstance(outcome, StageError):
            raise outcome
        yield outcome

    monkeypatch.setattr(contract_check, "serve_variant", serve_variant)
    monkeypatch.setattr(resources, "runs_uvloop", lambda pid: on_uvloop)


def checked(monkeypatch: pytest.MonkeyPatch, outcome: Deployment | StageError) -> tuple[Check, ...]:
    serve(monkeypatch, outcome)
    shown: list[str] = []
    (report,) = check_named(["fastapi/uvicorn"], shown.append)
    assert shown == ["checking fastapi/uvicorn …"]
    assert report.name == "fastapi/uvicorn"
    return report.checks


def test_the_end_of_the_server_is_a_check_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, Deployment()) == (GOOD, LOOP, Check("stop", True, "stopped on SIGTERM"))
    good, loop, stop = checked(monkeypatch, Deployment(Server(stops=False)))
    assert (good, loop) == (GOOD, LOOP)
    assert (stop.ok, stop.detail) == (False, "did not stop within 2 s of SIGTERM")


@pytest.mark.parametrize(
    ("name", "on_uvloop", "said"),
    [
        ("fastapi/uvicorn", False, "the server does not run on uvloop, and its variant states loop = 'uvloop'"),
        ("fastapi/hypercorn", True, "the server runs on uvloop, and its variant states loop = 'asyncio'"),
    ],
)
def test_a_server_runs_on_the_loop_that_its_variant_states(
    monkeypatch: pytest.MonkeyPatch, name: str, on_uvloop: bool, said: str
) -> None:
    serve(monkeypatch, Deployment(), on_uvloop=on_uvloop)
    (report,) = check_named([name], lambda _: None)
    assert report.broken == [Check("loop", False, said)]


def test_a_second_server_is_told_another_period(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, other = Check("dashboard-push", True, "every 1 s"), Check("dashboard-push", False, "still every 1 s")
    told: list[ServerSettings] = []

    class Pushing(Server):
        def check(self, only: Collection[str] | None = None) -> list[Check]:
            return [GOOD, usual] if only is None else [other]

    @contextlib.contextmanager
    def serve_variant(*_: Any, settings: ServerSettings = USUAL_SETTINGS, **__: Any) -> Iterator[Deployment]:
        told.append(settings)
        yield Deployment(Pushing(True))

    serve(monkeypatch, Deployment())
    monkeypatch.setattr(contract_check, "serve_variant", serve_variant)
    (report,) = check_named(["fastapi/uvicorn"], lambda _: None)
    assert told == [USUAL_SETTINGS, contract_check.OTHER_SETTINGS]
    assert report.broken == [Check("push-period", False, "still every 1 s")]
    usual = Check("dashboard-push", False, "nothing was pushed")
    (report,) = check_named(["fastapi/uvicorn"], lambda _: None)
    assert report.broken == [usual], "what is broken anyway is not checked twice"


def test_a_second_server_is_told_other_work_and_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ServerSettings] = []
    requested: list[set[str]] = []

    class Working(Server):
        def check(self, only: Collection[str] | None = None) -> list[Check]:
            requested.append(set(only or ()))
            return [Check(name, only is None, "") for name in ("dashboard-push", "work") if not only or name in only]

    @contextlib.contextmanager
    def serve_variant(*_: Any, settings: ServerSettings = USUAL_SETTINGS, **__: Any) -> Iterator[Deployment]:
        told.append(settings)
        yield Deployment(Working(True))

    serve(monkeypatch, Deployment())
    monkeypatch.setattr(contract_check, "serve_variant", serve_variant)
    (report,) = check_named(["fastapi/uvicorn"], lambda _: None)
    assert told == [USUAL_SETTINGS, contract_check.OTHER_SETTINGS]
    assert requested == [set(), {"dashboard-push", "work"}]
    assert [one.name for one in report.broken] == ["push-period", "work-time"]


def test_a_server_that_does_not_start_is_a_failed_check_with_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    (check,) = checked(monkeypatch, StageError("start", "it ended at once", ["one", "two", "three", "four"]))
    assert check == Check("start", False, "it ended at once | two | three | four")


def test_what_the_machine_lacks_is_no_broken_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, StageError("broker", "no redis-server", [], unavailable=True))
    (report,) = check_named(["fastapi/uvicorn"], lambda _: None)
    assert (report.checks, report.broken, report.unavailable) == ((), [], "broker: no redis-server")
    with pytest.raises(UnavailableError, match="fastapi/uvicorn cannot be tried on this machine: broker: no redis"):
        judge_reports([report, VariantReport("mine", "one", (GOOD,))])
    with pytest.raises(InvalidError):
        judge_reports([report, VariantReport("mine", "one", (Check("room", False, "nothing came"),))])
    judge_reports([VariantReport("mine", "one", (GOOD,))])


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (BrokerError("no redis-server"), True),
        (CannotInstallError("no network"), True),
        (ProcessError("its warden did not answer"), True),
        (PermissionError(13, "Permission denied"), True),
        (OSError(28, "No space left on device"), True),
        (InstallError("'uvicorn' is not in the environment"), False),
        (NotReadyError("the server ended at once, with status 3"), False),
    ],
)
def test_whose_fault_it_is_follows_from_the_error(error: Exception, unavailable: bool) -> None:
    (framework,) = catalog.choose_frameworks(["fastapi"])
    deployment = deployed.Deployment(framework, framework.variants[0], logs=Path())
    with pytest.raises(StageError) as raised, deployment.stage("start"):
        raise error
    assert raised.value.unavailable is unavailable


def test_every_variant_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, Deployment())
    known = catalog.discover()
    reports = check_frameworks(known, lambda _: None)
    assert [report.name for report in reports] == [
        f"{framework.slug}/{variant.slug}" for framework in known for variant in framework.variants
    ]


def test_an_unknown_framework_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean fastapi"):
        check_named(["fastapy"], lambda _: None)


def test_broken_checks_of_a_report() -> None:
    broken = Check("room", False, "nothing came")
    assert VariantReport("mine", "one", (GOOD, broken)).broken == [broken]
