"""Writes the generated parts of the documentation.

``uv run python docs/generate.py`` writes them; ``--check`` only lists the stale ones. A generated part is in a
committed Markdown file, between ``<!-- generated: NAME -->`` and ``<!-- end -->``. The name determines the content:

- ``keys of DOCUMENT KEY KEY …``: the keys of a part of a result file, from the docstrings of the schema;
- ``thresholds``: the limits of a valid measurement;
- ``other thresholds``: the limits of searches, warm-ups and the calibration;
- ``margins``: by how much metrics must differ;
- ``capacity coverage``: how often simulated intervals of a capacity contain it;
- ``simulated looks``, ``replayed looks``: how often adaptive runs decide rightly;
- ``commands``: the help text of every command;
- ``example PATH``: the text of an example;
- ``load ceilings``: what messages of a server's own cost the load generator;
- ``decisions``: the list of `docs/decisions`.

The files of `WHOLE` are generated as a whole.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generator.cli import commands_for
from generator.comparison import METRICS
from runners.judging.thresholds import THRESHOLDS, Threshold, thresholds_of
from runners.record import EvidenceDocument, FlameDocument, FrameworkDocument, RunDocument
from runners.record.docstrings import docstrings_of, models_below, models_in
from runners.record.schema import cell_key, scenario_of
from runners.subjects.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = ("site/data.md", "site/methodology.md", "site/cli.md", "site/load.md", "docs/decisions/README.md")
"""Every file with generated parts."""

WHOLE: Mapping[str, Callable[[], str]] = {"site/workloads.json": lambda: todays_workloads()}
"""Generated files by path, each with the function that makes its text."""

DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "run.yml": RunDocument,
    "framework.yml": FrameworkDocument,
    "framework.flame.yml": FlameDocument,
    "evidence.yml": EvidenceDocument,
}
"""The documents that a ``keys of`` part can name, by file name."""

_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>.+?) -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL)
_HEADING = re.compile(r"^#+ .*\{ #(?P<id>[\w-]+) \}$", re.MULTILINE)
_HELP_COLUMNS = 88


class StaleError(Exception):
    """A part of a page cannot be generated."""


def main(arguments: list[str]) -> int:
    """Write the parts, or with ``--check`` list the stale files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    checks_only = parser.parse_args(arguments).check
    stale = dict(find_stale())
    for page, text in stale.items():
        if not checks_only:
            (ROOT / page).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{page}: {'stale; run `uv run python docs/generate.py`' if checks_only else 'written'}\n")
    return int(checks_only and bool(stale))


def todays_workloads() -> str:
    """Each workload as it is defined today, so that pages can name results of older definitions."""
    definitions = {
        slug: {
            "version": workload.version,
            "scenarios": [scenario_of(cell_key("", "", slug, one.parameters)) for one in workload.scenarios],
        }
        for slug, workload in WORKLOADS.items()
    }
    return json.dumps(definitions, indent=2) + "\n"


def find_stale() -> Iterator[tuple[str, str]]:
    """Files whose generated parts are stale, each with its new text. Raises `StaleError` for a file without one."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        if not _PART.search(text):
            raise StaleError(f"{page} has no generated part; restore its <!-- generated: NAME --> and <!-- end -->")
        if (fresh := fill(text)) != text:
            yield page, fresh
    for path, make in WHOLE.items():
        file = ROOT / path
        if (fresh := make()) != (file.read_text(encoding="utf-8") if file.is_file() else None):
            yield path, fresh


def fill(text: str) -> str:
    """Generate every part of a page again; raises `StaleError` for an unknown part."""
    return _PART.sub(lambda found: f"{found['begin']}\n{_part(found['name'], text)}\n\n{found['end']}", text)


def _part(name: str, page: str) -> str:
    generators: Mapping[str, Callable[[], str]] = {
        "thresholds": thresholds_table,
        "other thresholds": other_thresholds_table,
        "margins": margins_table,
        "capacity coverage": capacity_coverage,
        "windows": windows_table,
        "simulated looks": simulated_looks,
        "replayed looks": replayed_looks,
        "commands": command_reference,
        "load ceilings": load_ceilings,
        "decisions": decision_index,
    }
    if name.startswith("keys of "):
        return key_table(model_at(name.removeprefix("keys of ")), sections_of(page))
    if name.startswith("example "):
        return example(name.removeprefix("example "))
    if name not in generators:
        raise StaleError(
            f"no generated part is named {name!r}; known are `keys of …`, `example …`, {', '.join(generators)}"
        )
    return generators[name]()


# Margins


def margins_table() -> str:
    """The metrics by margin and floor."""
    groups: dict[tuple[float, str], list[str]] = {}
    for metric in METRICS.values():
        floor = f"{metric.floor:,g}&nbsp;{metric.unit}" if metric.floor else "–"
        groups.setdefault((metric.margin, floor), []).append(metric.title)
    rows = [
        f"| {'<br>'.join(titles)} | {100 * (margin - 1):.0f}&nbsp;% | {floor} |"
        for (margin, floor), titles in groups.items()
    ]
    return "\n".join(["| Metrics | Margin | Practically equal below |", "| --- | --- | --- |", *rows])


# Keys of the result files


def model_at(path: str) -> type[BaseModel]:
    """The model at a path of keys, e.g. ``framework.yml cells measurements``; raises `StaleError`."""
    document, *keys = path.split()
    model = DOCUMENTS.get(document)
    for key in keys:
        field = model.model_fields.get(key) if model is not None else None
        model = next(models_in(field.annotation), None) if field is not None else None
    if model is None:
        raise StaleError(f"no part of a result file is at {path!r}")
    return model


def published_models() -> set[type[BaseModel]]:
    """Every model that a result file can contain."""
    return set().union(*map(models_below, DOCUMENTS.values()))


def sections_of(page: str) -> dict[type[BaseModel], str]:
    """The heading ID of the first section of the page that lists a model's keys, by model."""
    sections: dict[type[BaseModel], str] = {}
    for part in _PART.finditer(page):
        headings = _HEADING.findall(page, 0, part.start())
        if part["name"].startswith("keys of ") and headings:
            sections.setdefault(model_at(part["name"].removeprefix("keys of ")), headings[-1])
    return sections


def key_table(model: type[BaseModel], sections: Mapping[type[BaseModel], str]) -> str:
    """A table of the keys of a model: key, kind of value, docstring. Raises `StaleError` if a docstring is missing."""
    rows, docstrings = [], docstrings_of(model)
    for key, field in model.model_fields.items():
        if not docstrings.get(key):
            raise StaleError(f"{model.__name__}.{key} has no docstring; write one below it in the schema")
        optional = "" if field.is_required() else ", optional"
        rows.append((f"`{key}`", f"{_kind(field, sections)}{optional}", docstrings[key]))
    return _table(("Key", "Value", "Meaning"), rows)


def _kind(field: FieldInfo, sections: Mapping[type[BaseModel], str]) -> str:
    model = next(models_in(field.annotation), None)
    name = _plain_kind(field.annotation)
    return f"[{name}](#{sections[model]})" if model is not None and model in sections else name


_NAMES: Mapping[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false"}


def _plain_kind(annotation: Any) -> str:
    """A type in words, without its restrictions."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plain_kind(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_plain_kind(one) for one in arguments if one is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin is list:
        inner = _plain_kind(arguments[0])
        return "list" if inner == "keys" else f"list: {inner}"
    if origin is dict:
        return f"by name: {_plain_kind(arguments[1])}"
    return "keys" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else _NAMES[annotation]


# Thresholds


def thresholds_table() -> str:
    """A table of the limits of a valid measurement: limit, usual cause, effect in a search, reason."""
    rows = [
        (_capitalised(rule.name), _limit_of(rule), _CAUSES[rule.cause], rule.in_search.capitalize(), rule.why)
        for rule in thresholds_of("measurement")
    ]
    return _table(("Metric", "Limit", "Usual cause", "In a capacity search", "Why"), rows)


def other_thresholds_table() -> str:
    """A table of the limits that do not apply to single measurements, such as those of searches and warm-ups."""
    rows = [
        (_capitalised(rule.applies_to), _capitalised(rule.name), _limit_of(rule), rule.why)
        for rule in THRESHOLDS
        if rule.applies_to != "measurement"
    ]
    return _table(("Applies to", "Metric", "Limit", "Why"), rows)


_CAUSES = {"loadgen": "load generator", "machine": "machine", "server": "server", "unknown": "not determined"}
NO_BREAK = "&nbsp;"
_LIMITS = {"above": "at most", "at or above": "below", "below": "at least"}


def _limit_of(rule: Threshold) -> str:
    """The limit in words. A number and its unit stay on one line."""
    if rule.breaks == "above" and rule.limit == 0:
        return "none"
    unit, _, of = rule.unit.partition(" ")
    return f"{_LIMITS[rule.breaks]} {rule.limit:g}{NO_BREAK}{unit}".removesuffix(NO_BREAK) + (f" {of}" if of else "")


def _capitalised(text: str) -> str:
    """Capitalise the first letter and leave the rest unchanged, such as CPU."""
    return text[:1].upper() + text[1:]


# Capacity


def capacity_coverage() -> str:
    """A table of the simulated rates: per wobble of the machine, how many intervals contain the capacity, and how many
    equal pairs differ at any look.
    """
    document = json.loads((ROOT / "benchmarks" / "capacity.json").read_text(encoding="utf-8"))
    rows, looks = document["rows"], document["looks"]
    settings = dict.fromkeys((row["wobble"], row["lasting"]) for row in rows)
    numbers = dict.fromkeys(row["searches"] for row in rows)
    found = {(row["wobble"], row["lasting"], row["searches"]): row for row in rows}
    lines = []
    for wobble, lasting in settings:
        of_setting = [found[wobble, lasting, number] for number in numbers]
        lasts = "–" if not wobble else f"{lasting:g}"
        lines.append((f"{100 * wobble:g} %", lasts, *map(_coverage, of_setting)))
    columns = (f"{number} searches" for number in numbers)
    pairs, differ = (sum(look[key] for look in looks) for key in ("pairs", "differ"))
    table = _table(("Machine varies by", "From attempt to attempt", *columns), lines)
    return f"{table}\n\nOf {pairs:,} pairs of equal servers, {differ:,} seemed to differ at any look."


def _coverage(row: Mapping[str, Any]) -> str:
    return f"{100 * row['covered']:.1f} %, {row['width']:.2f}"


# Windows


def windows_table() -> str:
    """A table of window lengths: for each scenario the spread between rounds, the rounds and the minutes."""
    tables = json.loads((ROOT / "benchmarks" / "windows.json").read_text(encoding="utf-8"))
    rows, valid = tables["lengths"], {row["scenario"]: row for row in tables["surroundings"]}
    lengths = dict.fromkeys(row["window_s"] for row in rows)
    found = {(row["scenario"], row["window_s"]): row for row in rows}
    lines = [
        (
            scenario,
            " to ".join(dict.fromkeys((str(of["fewest_rounds"]), str(of["most_rounds"])))),
            *(_cost(found[scenario, window_s]) for window_s in lengths),
        )
        for scenario, of in valid.items()
    ]
    return _table(("Scenario", "Valid rounds", *(f"{window_s}{NO_BREAK}s" for window_s in lengths)), lines)


def _cost(row: Mapping[str, Any]) -> str:
    return f"{row['spread_percent']:.1f}{NO_BREAK}%, {row['rounds']} rounds, {row['seconds']:.0f}{NO_BREAK}s"


# Loads with messages of a server's own


def example(path: str) -> str:
    """The text of an example; raises `StaleError` if there is none at this path."""
    file = ROOT / path
    if not file.is_file():
        raise StaleError(f"there is no example {path}")
    return f"```{file.suffix[1:]}\n{file.read_text(encoding='utf-8').rstrip()}\n```"


def load_ceilings() -> str:
    """A table of kinds of answers: messages per second of CPU time, and their share of what an echo allows."""
    rows = json.loads((ROOT / "benchmarks" / "own_messages.json").read_text(encoding="utf-8"))
    lines = [(row["kind"], f"{row['messages_per_cpu_s']:,}", f"{100 * row['ratio']:.0f}{NO_BREAK}%") for row in rows]
    return _table(("What is read", "Messages or chunks per second of CPU time", "Relative to an echo"), lines)


# Adaptive runs


_PLANS = {
    "fixed": "once, after {fixed_rounds}",
    "shared": "{first_rounds} to {most_rounds}",
    "whole": "{first_rounds} to {most_rounds}, whole level",
}


def simulated_looks() -> str:
    """A table of simulated runs: by how often their results were looked at, how often the outcomes are right."""
    shares = {
        "Equal, and do not differ": "not_different",
        "Tables without a false difference": "without_difference",
        "Intervals that hold the truth": "covered",
        "Pairs decided": "decided",
        "Steps found": "found",
    }

    def sort(row: Mapping[str, Any]) -> str:
        return (
            f"{row['rows']} rows, {row['noisy_rows']} noisy, noise {row['spread_percent']:g} %, step {row['step']:g},"
            f" margin {row['margin']:g}; {row['tables']} tables"
        )

    return _looks_table("Simulated", "simulated", sort, shares)


def replayed_looks() -> str:
    """A table of the twins' recorded rounds: how often adaptive runs have the outcome of all rounds together."""
    shares = {
        "Outcome of all rounds": "same",
        "Order of all rounds": "found",
        "a and b do not differ": "not_different",
    }
    return _looks_table("Twins", "replayed", lambda row: f"{row['profile']}, {row['recorded']} rounds", shares)


def _looks_table(title: str, part: str, sort: Callable[[Mapping[str, Any]], str], shares: Mapping[str, str]) -> str:
    document = json.loads((ROOT / "benchmarks" / "adaptive.json").read_text(encoding="utf-8"))
    rows = [
        (
            sort(row),
            _PLANS[row["plan"]].format_map(document),
            f"{row['rounds']:.1f}",
            *("–" if row[name] is None else f"{100 * row[name]:.1f} %" for name in shares.values()),
        )
        for row in document[part]
    ]
    return _table((title, "Rounds judged", "Rounds of a row", *shares), rows)


# Commands


def command_reference() -> str:
    """The help text of every command, as printed."""
    root = typer.main.get_command(commands_for([]))
    return "\n\n".join(
        f"## {name} {{ #{name.replace(' ', '-')} }}\n\n```text\n{text}\n```" for name, text in _help_texts(root, None)
    )


def _help_texts(command: Any, parent: Any) -> Iterator[tuple[str, str]]:
    """Name and help text of a command and of all its subcommands."""
    context = command.context_class(
        command,
        info_name=command.name,
        parent=parent,
        terminal_width=_HELP_COLUMNS,
        max_content_width=_HELP_COLUMNS,
        **(command.context_settings or {}),
    )
    yield context.command_path, command.get_help(context).rstrip()
    for name in command.list_commands(context) if hasattr(command, "commands") else ():
        yield from _help_texts(command.commands[name], context)


# Decisions


@dataclass(frozen=True)
class Decision:
    """A file of `docs/decisions`."""

    path: Path
    number: int
    title: str
    date: str
    summary: str
    """The first sentence of the decision."""


def load_decisions(folder: Path = DECISIONS) -> list[Decision]:
    """Read every decision, by number; raises `StaleError` for a file in another form."""
    return [_read_decision(path) for path in sorted(folder.glob("[0-9]*.md"))]


_DECISION = re.compile(
    r"# (?P<title>[^\n]+)\n\nDate: (?P<date>\d{4}-\d\d-\d\d)\n\n## Context\n\n.+?\n\n"
    r"## Decision\n\n(?P<decision>.+?)\n\n## Rejected\n\n.+",
    re.DOTALL,
)


def _read_decision(path: Path) -> Decision:
    name = re.fullmatch(r"(\d{3})-[a-z0-9-]+\.md", path.name)
    found = _DECISION.fullmatch(path.read_text(encoding="utf-8"))
    if name is None or found is None:
        raise StaleError(
            f"{path.name} is not a decision: expected NNN-title.md with a title, a date, and the headings Context,"
            " Decision and Rejected"
        )
    sentence = re.split(r"(?<=\.)\s", " ".join(found["decision"].split()), maxsplit=1)[0]
    return Decision(path, int(name[1]), found["title"], found["date"], sentence)


def decision_index() -> str:
    """A table of all decisions: number, title, date and first sentence."""
    rows = [(f"{one.number:03}", f"[{one.title}]({one.path.name})", one.date, one.summary) for one in load_decisions()]
    return _table(("No.", "Decision", "Date", "In one sentence"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Make a Markdown table. Pipes in cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    cells = ((" ".join(cell.split()).replace("``", "`").replace("|", r"\|") for cell in line) for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
