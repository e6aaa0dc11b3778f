"""Runs are planned, started and resumed without a command line."""

from __future__ import annotations

import contextlib
import math
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runners.application import run_control
from runners.campaign import planning
from runners.campaign.execution import RunExecution
from runners.campaign.observer import RunSummary
from runners.campaign.run_document import describe_run, plan_of
from runners.record import Ending, Failure, Look, Measurement, RtsiteError, UsageError, save
from runners.serving import broker, interpreter
from runners.serving.broker import BrokerError
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support import frameworks, needs
from tests.support.advising import advise_nothing
from tests.support.documents import framework_document, measurement, run_document


class Quiet:
    """An observer that ignores every event."""

    def started(self, path: Path, done: int, plan: planning.Plan) -> None: ...

    def preparing(self, framework: Framework, variant: str) -> None: ...

    def measuring(self, cells: Sequence[object], round_number: int, done: int, plan: planning.Plan) -> None: ...

    def progress(self, text: str) -> None: ...

    def measured(self, cell: object, measurement: Measurement, done: int, plan: planning.Plan) -> None: ...

    def looked(self, look: Look, ended: Ending | None, plan: planning.Plan) -> None: ...

    def finished(self, summary: RunSummary, plan: planning.Plan) -> None: ...


class Execution:
    """Stands in for a run, and records how it was made."""

    def __init__(self, path: Path, **made: object) -> None:
        self.path, self.made = path, made

    def execute(self, observer: object) -> RunSummary:
        return RunSummary(self.path, measurements=1, failed=0, invalid=0, repeated=0)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The purposes of all measuring sessions; no claim of the machine is needed."""
    purposes: list[str] = []

    @contextlib.contextmanager
    def session(purpose: str, *, clients: int = 0) -> Iterator[None]:
        purposes.append(purpose)
        yield

    monkeypatch.setattr(run_control, "measuring_session", session)
    return purposes


def test_a_plan_holds_what_was_named_and_the_reference() -> None:
    plan = run_control.plan_measurements(["fastapi/uvicorn"], ["echo/closed"], "quick", rounds=3, seed=7)
    assert {cell.framework.slug for cell in plan.cells} == {"fastapi", "reference"}
    assert {cell.workload.slug for cell in plan.cells} == {"echo"}
    assert (plan.profile.rounds, plan.seed, len(plan.order)) == (3, 7, 3)
    assert plan == run_control.plan_measurements(["fastapi/uvicorn"], ["echo/closed"], "quick", rounds=3, seed=7)


def test_without_a_named_python_servers_run_on_the_newest_that_all_headline_variants_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(name: str) -> tuple[str, ...]:
        return run_control.plan_measurements([name], ["echo/closed"], "quick", rounds=1, seed=7).pythons

    other = needs.other_python()
    monkeypatch.setenv("RTSITE_PYTHON", other)
    assert planned("fastapi/uvicorn") == (other,)
    monkeypatch.setenv("RTSITE_PYTHON", "2.7")
    with pytest.raises(UsageError, match="is no version of Python"):
        planned("fastapi/uvicorn")
    monkeypatch.delenv("RTSITE_PYTHON")
    assert planned("fastapi/uvicorn") == (interpreter.newest_allowed([">=3.11"]),)
    # A folder from elsewhere has a say too.
    mine = frameworks.make(tmp_path / "mine", ["good"])
    described = mine / "pyproject.toml"
    required = f'[project]\nname = "mine"\nversion = "0"\nrequires-python = "=={platform.python_version()}"\n'
    described.write_text(required + described.read_text())
    assert planned(str(mine)) == ("",)
    quick, _ = run_control.plan_quickstart()
    assert quick.pythons == ("",), "a first look needs no second environment"


def test_without_a_seed_each_plan_has_its_own() -> None:
    seeds = {run_control.plan_measurements(["fastapi"], ["echo"], "quick").seed for _ in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("framework", "workload", "profile", "words"),
    [
        ("fastapy", "echo", "quick", "did you mean fastapi"),
        ("fastapi", "eco", "quick", "did you mean echo"),
        ("fastapi", "echo", "quik", "did you mean quick"),
    ],
)
def test_an_unknown_name_is_a_usage_error(framework: str, workload: str, profile: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run_control.plan_measurements([framework], [workload], profile)


@pytest.mark.parametrize(
    ("names", "wanted", "words"),
    [
        (["websockets", "flask-socketio"], ["polling"], "websockets can run none of these workloads: polling"),
        (
            ["flask-socketio", "fastapi"],
            ["polling"],
            "fastapi can run none of these workloads: polling (This workload uses",
        ),
        (["fastapi"], ["echo", "polling/closed"], "no variant of fastapi can run polling/closed; remove one of them"),
    ],
)
def test_what_would_be_left_out_is_a_usage_error_except_in_a_part(
    names: list[str], wanted: list[str], words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        run_control.plan_measurements(names, wanted, "quick")
    assert words in str(raised.value)
    assert run_control.plan_measurements(names, wanted, "quick", is_part=True).cells


def test_a_soak_takes_as_long_as_asked_and_is_measured_once() -> None:
    plan = run_control.plan_measurements(["fastapi/uvicorn"], ["soak"], "standard", soak_hours=3.0)
    assert {cell.scenario.parameters["soak_s"] for cell in plan.cells} == {3 * 3600}
    assert (plan.profile.rounds, plan.limits) == (1, None)
    assert {plan.profile.window_s(cell.scenario) for cell in plan.cells} == {3 * 3600}
    usual = run_control.plan_measurements(["fastapi/uvicorn"], ["soak"], "standard", rounds=2)
    assert {cell.scenario.soak_s for cell in usual.cells} == {2 * 3600}
    assert usual.profile.rounds == 2
    assert {cell.workload.version for cell in plan.cells} == {cell.workload.version for cell in usual.cells}
    document = describe_run(plan, "20261129T000000Z", "test", "2026-11-29T00:00:00Z")
    measured = {cell.framework.slug: cell.framework for cell in plan.cells}
    assert plan_of(document, list(measured.values())) == plan, "so it can be resumed"


@pytest.mark.parametrize(
    ("workload", "profile", "given", "words"),
    [
        ("echo", "standard", {"soak_hours": 2.0}, "none would be measured; add --workload soak"),
        ("soak", "quick", {"soak_hours": 2.0}, "the profile quick only tries a soak for half a minute"),
        ("soak", "standard", {"soak_hours": 0.01}, "--hours"),
        ("soak", "standard", {"soak_hours": math.nan}, "--hours"),
        ("soak", "standard", {"budget_s": 3600.0}, "a soak is measured once and for its whole time"),
    ],
)
def test_a_soak_that_cannot_be_planned_is_a_usage_error(
    workload: str, profile: str, given: dict[str, float], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run_control.plan_measurements(["fastapi"], [workload], profile, **given)  # type: ignore[arg-type]


def test_a_folder_cannot_stand_in_for_the_reference(tmp_path: Path) -> None:
    mine = frameworks.make(tmp_path / "reference", ["good"])
    with pytest.raises(UsageError, match="which no other folder can replace"):
        run_control.plan_measurements([str(mine)], ["echo"], "quick")
    second = frameworks.make(tmp_path / "second", ["good"])
    described = second / "pyproject.toml"
    described.write_text(described.read_text().replace('interface = "own"', 'interface = "own"\nreference = true'))
    with pytest.raises(UsageError, match="set reference = false"):
        run_control.plan_measurements([str(second)], ["echo"], "quick")


def test_a_named_framework_without_any_measurement_is_an_error(tmp_path: Path) -> None:
    good, exits = (f"mine/{name}" for name in ("good", "exits"))
    mine = str(frameworks.make(tmp_path / "mine", ["good", "exits"]))

    def judge(*fruitless: str, names: Sequence[str], fruitful: Sequence[str] = ()) -> None:
        outcomes = {**dict.fromkeys(fruitless, False), **dict.fromkeys(fruitful, True)}
        run_control.check_fruitful(RunSummary(tmp_path, 8, 4, 0, 0, outcomes), names)

    judge(names=[])
    judge(good, exits, names=[])
    judge(exits, names=[mine], fruitful=[good])
    judge(good, exits, names=["fastapi"])
    with pytest.raises(RtsiteError, match=f"every measurement of {mine} failed"):
        judge(good, exits, names=["fastapi", mine])
    with pytest.raises(RtsiteError, match=f"every measurement of {mine} failed"):
        judge(exits, names=[mine], fruitful=["reference/picows"])  # the other variant was not measured
    with pytest.raises(RtsiteError, match="every measurement of fastapi/uvicorn failed"):
        judge("fastapi/uvicorn", names=["fastapi/uvicorn", mine], fruitful=[good])
    with pytest.raises(RtsiteError, match="every measurement failed"):
        run_control.check_fruitful(RunSummary(tmp_path, 8, 8, 0, 0), [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h", 10_800), ("90m", 5400), ("5400s", 5400), ("1.5h", 5400), ("0.5m", 30), ("1s", 1)]
)
def test_a_budget_has_a_unit(text: str, seconds: float) -> None:
    assert run_control.parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "3", "h", "3 h", "-3h", "0h", "0.0s", "3d", "1h30m", "٣h", "1e3s", "9" * 5000, "nanh"]
)
def test_what_is_no_budget_is_one_sentence(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"is no time for --budget; write hours, minutes or seconds, such as 3h"
    ) as found:
        run_control.parse_budget(text)
    assert len(str(found.value)) < 160


def test_a_budget_needs_an_adaptive_run() -> None:
    with pytest.raises(UsageError, match="the profile quick has them planned beforehand; choose --profile standard or"):
        run_control.plan_measurements(["fastapi"], ["echo"], "quick", budget_s=60)
    with pytest.raises(UsageError, match="--rounds has them planned beforehand; remove one of the two"):
        run_control.plan_measurements(["fastapi"], ["echo"], "standard", rounds=3, budget_s=60)
    plan = run_control.plan_measurements(["fastapi"], ["echo"], "standard", budget_s=60)
    assert plan.limits is not None
    assert plan.limits.budget_s == 60


def test_a_budget_that_the_rounds_of_everything_exceed_names_what_to_leave_out() -> None:
    names = ["echo/closed", "capacity/rate"]
    plan = run_control.plan_measurements(["fastapi", "tornado"], names, "standard", seed=1)
    echo, _ = plan.parts()
    run_control.check_budget(plan)
    run_control.check_budget(plan.within(plan.forecast.first_s))
    with pytest.raises(UsageError) as found:
        run_control.check_budget(plan.within(echo.first_s + 1))
    message = str(found.value)
    assert message.startswith(f"{plan.profile.rounds} rounds of everything take about {plan.forecast.first_s / 60:.0f}")
    assert f"all workloads but capacity/rate with --workload (about {echo.first_s / 60:.0f} min)" in message
    assert f"all but the headline variants (about {plan.compared_s / 60:.0f} min)" in message
    assert message.endswith("choose a larger --budget")
    with pytest.raises(UsageError) as found:
        run_control.check_budget(plan.within(1))
    assert "--workload" not in str(found.value), "nothing that remains is short enough"
    small = run_control.plan_measurements([], ["echo/closed"], "standard", only_headline=True)
    with pytest.raises(UsageError) as found:
        run_control.check_budget(small.within(1))
    assert "--headline" not in str(found.value)


def test_headline_variants_alone() -> None:
    plan = run_control.plan_measurements([], ["echo/closed"], "standard", only_headline=True)
    for cell in plan.cells:
        assert cell.framework.reference or cell.variant.headline
    everything = run_control.plan_measurements([], ["echo/closed"], "standard")
    assert {cell.framework.slug for cell in plan.cells} == {cell.framework.slug for cell in everything.cells}
    assert plan.forecast.first_s == pytest.approx(everything.compared_s)
    chosen = run_control.plan_measurements(["flask-socketio"], ["echo/closed"], "quick", only_headline=True)
    assert {cell.framework.slug for cell in chosen.cells} == {"flask-socketio", "reference"}


def test_another_variant_cannot_be_named_with_headline() -> None:
    (flask,) = catalog.choose_frameworks(["flask-socketio"])
    other = next(variant.slug for variant in flask.variants if not variant.headline)
    assert flask.headline is not None
    run_control.plan_measurements(
        [f"flask-socketio/{flask.headline.slug}"], ["echo/closed"], "quick", only_headline=True
    )
    with pytest.raises(UsageError, match=f"flask-socketio/{other} is not a headline variant; remove --headline, or"):
        run_control.plan_measurements([f"flask-socketio/{other}"], ["echo/closed"], "quick", only_headline=True)


def test_a_quickstart_measures_three_frameworks_and_the_reference() -> None:
    plan, _ = run_control.plan_quickstart()
    assert len({cell.framework.slug for cell in plan.cells if not cell.framework.reference}) == 3
    assert any(cell.framework.reference for cell in plan.cells)
    assert plan.profile.rounds == run_control.QUICKSTART_ROUNDS


def test_a_quickstart_without_a_broker_measures_the_same_frameworks_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_nothing(_: str) -> None:
        raise BrokerError("no redis-server on PATH; install Redis")

    monkeypatch.setattr(broker, "find_broker", find_nothing)
    plan, left_out = run_control.plan_quickstart()
    assert len({cell.framework.slug for cell in plan.cells if not cell.framework.reference}) == 3
    assert not any(cell.variant.uses_broker for cell in plan.cells)
    assert left_out is not None
    assert left_out.startswith("Not measured: django-channels/daphne-pubsub, because there is no redis-server on PATH;")


def test_a_run_is_started_in_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: list[str]) -> None:
    made: list[dict[str, object]] = []

    def begin(
        plan: planning.Plan, results: Path, campaign: str | None, *, label: str, adviser: object, place: object
    ) -> Execution:
        assert sessions == ["rtsite run"]
        made.append({"results": results, "campaign": campaign, "label": label, "adviser": adviser})
        return Execution(tmp_path / "run")

    monkeypatch.setattr(RunExecution, "begin", begin)
    plan = run_control.plan_measurements(["fastapi/uvicorn"], ["echo/closed"], "quick")
    summary = run_control.start_run(plan, tmp_path, "tested", Quiet(), label="block-1", adviser=advise_nothing)
    assert summary.path == tmp_path / "run"
    assert made == [{"results": tmp_path, "campaign": "tested", "label": "block-1", "adviser": advise_nothing}]


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden"])
def test_a_campaign_that_cannot_be_a_folder_is_refused(tmp_path: Path, sessions: list[str], name: str) -> None:
    plan = run_control.plan_measurements(["fastapi/uvicorn"], ["echo/closed"], "quick")
    with pytest.raises(UsageError, match="is not a valid campaign name"):
        run_control.start_run(plan, tmp_path, name, Quiet())
    assert sessions == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_resumed_with_all_known_frameworks_and_those_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: list[str]
) -> None:
    known: list[str] = []

    def resume(path: Path, frameworks: Sequence[Framework], *, adviser: object, place: object) -> Execution:
        assert adviser is advise_nothing
        known.extend(framework.slug for framework in frameworks)
        return Execution(path)

    monkeypatch.setattr(RunExecution, "resume", resume)
    mine = frameworks.make(tmp_path / "mine", ["good"])
    assert run_control.resume_run(tmp_path / "run", [str(mine)], Quiet(), advise_nothing).path == tmp_path / "run"
    assert sorted(known) == sorted([*(framework.slug for framework in catalog.discover()), "mine"])
    assert sessions == ["rtsite run"]


def test_flame_graphs_are_recorded_in_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: list[str]
) -> None:
    def record(run: Path, frameworks: Sequence[Framework], show: object) -> list[object]:
        assert run == tmp_path
        assert {"fastapi", "reference"} <= {framework.slug for framework in frameworks}
        return []

    monkeypatch.setattr(run_control, "record_missing", record)
    assert run_control.record_flames(tmp_path, [], lambda _: None) == []
    assert sessions == ["rtsite run --flame"]


def test_a_run_on_disk_is_summarised(tmp_path: Path) -> None:
    save(run_document(), tmp_path / "run.yml")
    assert not run_control.is_finished(tmp_path)
    document = framework_document()
    save(document, tmp_path / "fastapi.yml")
    summary = run_control.summarise_run(tmp_path)
    decisive = [one for cell in document.cells for one in cell.decisive]
    assert summary.measurements == len(decisive)
    assert summary.failed == sum(one.failure is not None for one in decisive)
    save(run_document().model_copy(update={"finished": "2026-11-01T01:00:00Z"}), tmp_path / "run.yml")
    assert run_control.is_finished(tmp_path)


def test_a_summary_tells_which_variants_have_a_measurement_that_did_not_fail(tmp_path: Path) -> None:
    good, failed = measurement(1), measurement(1).model_copy(update={"failure": Failure(stage="load", reason="no")})
    cells = [("mine/one", [failed]), ("mine/two", [failed]), ("mine/one", [good]), ("mine/three", []), ("a/b", [good])]
    summary = RunSummary.of_measurements(tmp_path, cells)
    assert summary.fruitful == {"mine/one": True, "mine/two": False, "a/b": True}
    assert (summary.measurements, summary.failed) == (4, 2)


def test_a_summary_reads_as_a_sentence(tmp_path: Path) -> None:
    assert str(RunSummary(tmp_path, 8, 1, 2, 0)) == "8 measurements, 1 failed, 2 invalid"
    assert str(RunSummary(tmp_path, 8, 1, 2, 3)) == "8 measurements, 1 failed, 2 invalid, 3 repeated"
