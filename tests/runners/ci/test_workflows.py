"""The workflow files keep their rules, and their steps run in order without GitHub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import synthetic
from runners import idle_cpus
from runners.serving import environment
from tests.support.commands import git

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
RTSITE = "import sys; sys.argv[0] = 'rtsite'; from generator.cli import main; main()"
PINS = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "astral-sh/setup-uv": "20cfd1bf945f4377ade1205e4dbc17946fc9a30d # v10.0.1",
    "actions/upload-artifact": "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
    "actions/configure-pages": "45bfe0192ca1faeb007ade9deae92b16b8254a0d # v6.0.0",
    "actions/upload-pages-artifact": "fc324d3547104276b827a68afc52ff2a11cc49c9 # v5.0.0",
    "actions/deploy-pages": "cd2ce8fcbc39b97be8ca5fce6e763baed58fa128 # v5.0.0",
}
"""As read off the tags of the actions' own repositories."""

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.load(path.read_text(), Loader=yaml.CSafeLoader))


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return dict(read(path)["jobs"])


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job.get("steps", ())


@every_workflow
def test_every_action_is_pinned_to_a_commit_with_its_version(path: Path) -> None:
    for name, pin in re.findall(r"uses: ([^@\s]+)@(.+)", path.read_text()):
        assert pin == PINS[name]
    assert all("@" in one["uses"] for one in steps(path) if "uses" in one)


@every_workflow
def test_only_what_a_job_declares_is_permitted(path: Path) -> None:
    assert read(path)["permissions"] == {}
    for name, job in jobs(path).items():
        assert job["permissions"], name
        assert "uses" in job or job["timeout-minutes"] <= 360, name
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        assert writes <= {"contents", "issues", "pages", "id-token"}


@every_workflow
def test_only_who_pushes_keeps_its_credentials(path: Path) -> None:
    for name, job in jobs(path).items():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                keeps = step["with"]["persist-credentials"]
                assert keeps is ((path.name, name) == ("campaign.yml", "commit")), name


@every_workflow
def test_inputs_reach_commands_through_the_environment_alone(path: Path) -> None:
    for step in steps(path):
        command = step.get("run", "")
        assert "${{" not in command
        assert "\n" not in command.strip()


SERVERS = "sudo .ci/servers"
"""The step that installs brokers and proxies. This machine has them, or tests are skipped."""
ALLOWED = f"[ ! -e {idle_cpus.REQUESTS} ] || sudo chmod o+rw {idle_cpus.REQUESTS}"
"""The step that allows what only root may request."""


def test_what_servers_need_of_the_machine_is_installed_where_it_is_requested() -> None:
    """Both by the job that plans and by those that measure; a plan refuses what is not there. Brokers are needed by all
    jobs that start servers.
    """
    campaign = jobs(ROOT / ".github" / "workflows" / "campaign.yml")
    for name in ("plan", "bench"):
        conditions = {step["if"]: step["run"] for step in campaign[name]["steps"] if "run" in step and "if" in step}
        assert "uv python install" in conditions["inputs.pythons != ''"]
    assert {step["run"]: step["if"] for step in campaign["plan"]["steps"] if "if" in step}[SERVERS] == (
        "inputs.topologies != ''"
    )
    for name in ("bench", "evidence"):
        assert {"name": "Brokers and proxies", "run": SERVERS} in campaign[name]["steps"]
        assert {"name": "Let measuring keep idle CPUs awake", "run": ALLOWED} in campaign[name]["steps"]
    split = subprocess.run(
        ["bash", "-c", conditions["inputs.pythons != ''"].replace("uv python install", "echo")],
        env={**os.environ, "PYTHONS": "3.13, 3.14t 3.14"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert split.stdout == "3.13 3.14t 3.14\n"


@every_workflow
def test_no_event_gives_strangers_our_rights(path: Path) -> None:
    events = read(path)[True]  # YAML 1.1 reads the key "on" as true
    assert not {"pull_request_target", "workflow_run"} & set(events)
    if "pull_request" in events:
        assert all(set(job["permissions"].values()) == {"read"} for job in jobs(path).values())


def test_the_schedule_is_alone_and_at_an_odd_minute() -> None:
    weekly = read(ROOT / ".github" / "workflows" / "weekly.yml")
    assert list(weekly[True]) == ["schedule"]
    ((minute, *_),) = (one["cron"].split() for one in weekly[True]["schedule"])
    assert int(minute) % 5
    assert all("schedule" not in read(path)[True] for path in WORKFLOWS if path.name != "weekly.yml")


def test_a_campaign_publishes_only_from_the_default_branch() -> None:
    condition = jobs(ROOT / ".github" / "workflows" / "campaign.yml")["commit"]["if"]
    assert "inputs.publish" in condition
    assert "github.event.repository.default_branch" in condition


@pytest.mark.parametrize("tool", [["zizmor", "--offline", "--quiet", "--no-progress"], ["check-jsonschema"]])
def test_linters_find_nothing(tool: list[str]) -> None:
    program = shutil.which(tool[0], path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert program is not None, f"{tool[0]} is among the development tools"
    schema = ["--builtin-schema", "vendor.github-workflows"] if tool[0] == "check-jsonschema" else []
    done = subprocess.run(
        [program, *tool[1:], *schema, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


# The chain


@dataclass
class Runner:
    """Runs a job's steps in a checkout, as a hosted runner would, with stand-ins for what GitHub fills in."""

    checkout: Path
    values: Mapping[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def temporary(self) -> Path:
        return self.checkout.parent / "tmp"

    def run(self, job: str) -> None:
        for step in jobs(ROOT / ".github" / "workflows" / "campaign.yml")[job]["steps"]:
            if "run" in step and step["run"] not in (SERVERS, ALLOWED) and self._applies(step):
                self._step(step)

    def _applies(self, step: dict[str, Any]) -> bool:
        """Whether the step's condition holds, if it is one about an input."""
        condition = re.fullmatch(r"(inputs\.\w+) != ''", step.get("if", ""))
        return condition is None or self.values[condition[1]] != ""

    def _step(self, step: dict[str, Any]) -> None:
        program, *words = step["run"].split()
        assert (program, *words[:3]) == ("uv", "run", "rtsite", "ci")
        files = {name: self.checkout.parent / f"{name}-{self.checkout.name}" for name in ("output", "summary")}
        for file in files.values():
            file.write_text("")
        variables = {name: self._filled(str(value)) for name, value in step.get("env", {}).items()}
        self.temporary.mkdir(exist_ok=True)  # a machine of its own, with its own claim of the machine
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "UV_"))}
        done = subprocess.run(
            [sys.executable, "-c", RTSITE, *words[2:]],
            cwd=self.checkout,
            env={
                **kept,
                **variables,
                "GITHUB_OUTPUT": str(files["output"]),
                "GITHUB_STEP_SUMMARY": str(files["summary"]),
                "GITHUB_RUN_ID": "77",
                "TMPDIR": str(self.temporary),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.outputs |= dict(line.split("=", 1) for line in files["output"].read_text().splitlines())
        self.summary += files["summary"].read_text()

    def _filled(self, text: str) -> str:
        return EXPRESSION.sub(lambda found: self.values[found[1]], text)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with the checkout as it is now, results left out."""
    folder = tmp_path_factory.mktemp("github")
    names = git(ROOT, "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    work = folder / "work"
    for name in names:
        if name and not name.startswith("results/") and (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, work / name)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "All of it")
    git(work, "push", "--quiet", str(folder / "origin.git"), "HEAD:main")
    return folder / "origin.git"


def checkout(origin: Path, name: str) -> Path:
    folder = origin.parent / name
    git(origin.parent, "clone", "--quiet", "--branch", "main", str(origin), str(folder))
    (folder / ".rtsite").symlink_to(environment.HOME)  # its locks are ours, so their environments are too
    _keep_compiled(folder)
    return folder


def _keep_compiled(folder: Path) -> None:
    """Spare a checkout what Python and Numba have compiled already; they go by name, time and size of a file."""
    for package in ("runners", "generator"):
        for source in (ROOT / package).rglob("*.py"):
            if (copy := folder / source.relative_to(ROOT)).is_file():
                shutil.copystat(source, copy)
        for kept in (ROOT / package).rglob("__pycache__"):
            if (parent := folder / kept.parent.relative_to(ROOT)).is_dir():
                shutil.copytree(kept, parent / kept.name, dirs_exist_ok=True)


@pytest.mark.long
def test_plan_bench_collect_commit_build(origin: Path) -> None:
    inputs = {
        "inputs.frameworks": "starlette/uvicorn",
        "inputs.workloads": "echo/closed",
        "inputs.profile": "quick",
        "inputs.rounds": "1",
        "inputs.pythons": "",
        "inputs.topologies": "",
        "inputs.blocks": "2",
    }
    plan = Runner(checkout(origin, "plan"), inputs)
    plan.run("plan")
    matrix = json.loads(plan.outputs["matrix"])["include"]
    campaign = plan.outputs["campaign"]
    assert [entry["name"] for entry in matrix] == ["block-1-lot-1", "block-2-lot-1"]
    assert campaign.endswith("-77")
    artifacts = origin.parent / "artifacts"
    for entry in matrix:
        values = inputs | {
            "matrix.name": entry["name"],
            "matrix.workloads": entry["workloads"],
            "matrix.rounds": str(entry["rounds"]),
            "needs.plan.outputs.campaign": campaign,
        }
        bench = Runner(checkout(origin, entry["name"]), values)
        bench.run("bench")
        assert "2 measurements, 0 failed" in bench.summary
        shutil.copytree(bench.checkout / "results" / campaign, artifacts / entry["name"])
    synthetic.write_evidence(origin.parent / "evidence", variants=synthetic.VARIANTS[:3], campaign=campaign)
    shutil.copytree(origin.parent / "evidence" / campaign, artifacts / "evidence")
    commit = Runner(
        checkout(origin, "commit"),
        {"needs.plan.outputs.campaign": campaign, "github.event.repository.default_branch": "main"},
    )
    shutil.copytree(artifacts, commit.checkout / "artifacts")
    commit.run("commit")
    assert "2 run(s) added, and the evidence of 2 framework(s)" in commit.summary
    assert f"## Campaign {campaign}" in commit.summary
    assert commit.outputs["commit"] == git(origin, "rev-parse", "main")
    files = git(origin, "ls-tree", "-r", "--name-only", "main", "results").splitlines()
    assert len([name for name in files if name.endswith("run.yml")]) == 2
    assert f"results/{campaign}/evidence/fastapi.yml" in files
    site = checkout(origin, "site")
    done = subprocess.run(
        [sys.executable, "-c", RTSITE, "build"], cwd=site, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert campaign in (site / "build" / "site" / "runs" / "index.html").read_text()
