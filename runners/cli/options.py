"""The ``rtsite`` application, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from runners import revision
from runners.record.schema import USUAL_TOPOLOGY, Topology


class _Alphabetical(TyperGroup):
    """Lists its commands by name. Otherwise the order would depend on what was imported first."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx))


app = typer.Typer(
    name="rtsite",
    cls=_Alphabetical,
    help="Measure Python real-time frameworks and publish the comparison.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Without a callback, an application with one command would not expect its name."""


RESULTS = revision.ROOT / "results"

TOPOLOGIES = ", ".join(get_args(Topology))

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
FrameworkArguments = Annotated[
    list[str] | None,
    typer.Argument(help="Framework slugs, framework/variant, or folder paths (default: all frameworks)."),
]
FrameworkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--framework",
        "-f",
        help="Framework slug, framework/variant, or folder path; repeatable (default: all frameworks).",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler, such as tcp://192.0.2.1:8786: its workers apply the load, each with as many"
        " processes as its resource `shard` says (default: this machine).",
        show_default=False,
    ),
]
HostsOption = Annotated[
    int | None, typer.Option(min=1, help="With --scheduler: use only so many of its workers (default: all).")
]
WorkloadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        "-w",
        help="Workload, or one of its scenarios such as echo/closed; repeatable (default: the profile's workloads).",
    ),
]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of result files.", show_default="results")]

JobFrameworksOption = Annotated[
    str, typer.Option(envvar="FRAMEWORKS", help="Frameworks, separated by spaces (default: all frameworks).")
]
JobWorkloadsOption = Annotated[
    str,
    typer.Option(
        envvar="WORKLOADS",
        help="Workloads, or scenarios such as echo/closed, separated by spaces (default: the profile's workloads).",
    ),
]
JobProfileOption = Annotated[
    str,
    typer.Option(
        envvar="PROFILE", help="Profile, which sets the length and number of measurements: quick, standard or full."
    ),
]
JobRoundsOption = Annotated[
    str, typer.Option(envvar="ROUNDS", help="Measure exactly this many rounds of everything (default: the profile's).")
]
JobPythonsOption = Annotated[
    str, typer.Option(envvar="PYTHONS", help="Versions of Python for the servers (default: as of rtsite run).")
]
JobTopologiesOption = Annotated[
    str, typer.Option(envvar="TOPOLOGIES", help=f"Topologies: {TOPOLOGIES} (default: {USUAL_TOPOLOGY}).")
]
CampaignIdOption = Annotated[str, typer.Option("--campaign-id", envvar="CAMPAIGN", help="Campaign ID.")]
