"""Exports: values as JSON, CSV and Parquet, a feed of campaigns, badges, and the schema of the raw files.

Addresses and keys are stable. New keys, new columns at the end and new files may be added.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from xml.etree import ElementTree

from pydantic import BaseModel

from generator.comparison import (
    THROUGHPUT,
    CapacityRow,
    CapacityTable,
    ChangePoint,
    Comparison,
    Row,
    Table,
    Value,
    capacity_tables,
    compare_alone,
    compare_runs,
)
from generator.dataset import Dataset, Evidence, FrameworkName, Run, version_installed
from generator.pages import run_path
from generator.parquet_file import parquet_of_csv
from generator.sentences import change_sentence, largest_changes
from generator.statistics import RankRange
from runners.record import EvidenceDocument, FlameDocument, FrameworkDocument, RunDocument, json_schema_of

SCHEMA_VERSION = 1
ANY_SITE = "https://site.example/"
"""What the hand-written page of the data has for the address of the site."""
_BADGE_WORKLOAD = "echo"
_ATOM = "http://www.w3.org/2005/Atom"
_CHANGES_IN_FEED = 5
"""Changes that the feed lists per campaign."""
_TYPES = {
    "campaign": "VARCHAR", "run": "VARCHAR", "started": "TIMESTAMP", "cpu_model": "VARCHAR", "logical_cpus": "BIGINT",
    "framework": "VARCHAR", "variant": "VARCHAR", "version": "VARCHAR", "workload": "VARCHAR", "parameters": "VARCHAR",
    "status": "VARCHAR", "metric": "VARCHAR", "unit": "VARCHAR", "better": "VARCHAR", "value": "DOUBLE",
    "low": "DOUBLE", "high": "DOUBLE", "rounds": "BIGINT", "to_reference": "DOUBLE", "place_first": "BIGINT",
    "place_last": "BIGINT", "loop": "VARCHAR", "idle_cpus": "VARCHAR",
}  # fmt: skip
"""The type of each column in Parquet, as SQL names it."""
_COLUMNS = tuple(_TYPES)
_NO_VALUE = (None,) * (_COLUMNS.index("loop") - _COLUMNS.index("metric"))
_CPU_MODEL = _COLUMNS.index("cpu_model")
"""The only column of free text: the schema restricts the others."""
_ExportedRow = tuple[object, ...]
"""Values in the order of the columns; a tuple, since years of runs have hundreds of thousands of rows."""


def files(
    dataset: Dataset,
    site_url: str,
    headlines: Mapping[str, str],
    changes: Sequence[ChangePoint] = (),
    comparison: Comparison | None = None,
) -> dict[str, str]:
    """The exports of the published runs, text by path.

    ``site_url``: the address of the site. ``headlines``: the headline variant of each framework, see
    `generator.dataset.headline_variants`. ``changes``: those between campaigns, for the feed. ``comparison``: that of
    `Dataset.headline`, if the caller has it.
    """
    runs = dataset.headline
    comparison = comparison or compare_runs(runs)
    rows = _rows(runs, comparison)
    exported = {
        "data/latest.json": _json({"figures": _keyed(rows), "runs": [_run_facts(run) for run in runs]}),
        "data/latest.csv": _csv(rows),
        "data/evidence.json": _json({"evidence": [_evidence_facts(one) for one in dataset.newest_evidence.values()]}),
        "data/schema.json": _json({"documents": _schemas()}),
        "feed.xml": _feed(dataset, site_url, changes),
    }
    return exported | dict(_badges(dataset, comparison, headlines))


class RowTexts(NamedTuple):
    """The rows of a run, as JSON without the brackets of the list and as CSV without the heading."""

    json: str
    csv: str


def row_texts(run: Run) -> RowTexts:
    """The rows of a run, which `Run.kept` keeps."""
    rows = _rows([run], run.kept(compare_alone))
    return RowTexts(_compact(rows)[1:-1], _csv_rows(rows))


def over_time(runs: Sequence[Run]) -> dict[str, Callable[[], str | bytes]]:
    """The exports of all runs: by path a function that makes the file, which can take long. ``runs``: newest first."""

    def as_json() -> str:
        rows = ",".join(filter(None, (run.kept(row_texts).json for run in reversed(runs))))
        return _json({"columns": _COLUMNS, "rows": []}).replace('"rows":[]', f'"rows":[{rows}]')

    @cache
    def as_csv() -> str:
        return "".join((_csv_rows([_COLUMNS]), *(run.kept(row_texts).csv for run in reversed(runs))))

    return {
        "data/history.json": as_json,
        "data/history.csv": as_csv,
        "data/history.parquet": lambda: parquet_of_csv(as_csv(), _TYPES),
    }


def _json(document: Mapping[str, object]) -> str:
    return _compact({"schema_version": SCHEMA_VERSION, **document}) + "\n"


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def _keyed(rows: Iterable[_ExportedRow]) -> list[dict[str, object]]:
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def _csv(rows: Iterable[_ExportedRow]) -> str:
    return _csv_rows([_COLUMNS]) + _csv_rows(rows)


def _csv_rows(rows: Iterable[_ExportedRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((*row[:_CPU_MODEL], _as_cell(row[_CPU_MODEL]), *row[_CPU_MODEL + 1 :]) for row in rows)
    return text.getvalue()


def _as_cell(text: object) -> object:
    """Text that no spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
    return f"'{text}" if str(text).startswith(("=", "+", "-", "@", "\t")) else text


def _rows(runs: Sequence[Run], comparison: Comparison) -> list[_ExportedRow]:
    """One row per value of each variant; a variant without values has one row, whose status is the reason."""
    found: list[_ExportedRow] = []
    for table in comparison.tables:
        origin, scenario = _origin(table), _scenario(table)
        for row in table.rows:
            cell, setup = (*origin, *_who(row), *scenario, row.status), _setup(table, row)
            known = [(metric, row.values[metric.key]) for metric in table.metrics if metric.key in row.values]
            found += [
                (*cell, metric.key, metric.unit, metric.direction, *_value(value), *setup) for metric, value in known
            ]
            if not known:
                found.append((*cell, *_NO_VALUE, *setup))
    for searched in capacity_tables(runs):
        origin, scenario = _origin(searched), _scenario(searched)
        for row in searched.rows:
            cell = (*origin, *_who(row), *scenario, row.status)
            found.append((*cell, "capacity", searched.unit, "higher", *_bracket(row), *_setup(searched, row)))
    return found


def _origin(table: Table | CapacityTable) -> _ExportedRow:
    document = table.run.document
    machine = document.machine
    return document.campaign, document.id, document.started, machine.cpu_model, machine.logical_cpus


def _setup(table: Table | CapacityTable, row: Row | CapacityRow) -> _ExportedRow:
    return row.variant.loop, table.run.machine_class.hardware.idle_cpus


def _who(row: Row) -> _ExportedRow:
    return row.framework.slug, row.variant.slug, version_installed(row.variant.packages, row.framework.package)


def _scenario(table: Table | CapacityTable) -> _ExportedRow:
    parameters = {**table.parameters, **table.run.setting}
    return table.workload.slug, " ".join(f"{name}={value}" for name, value in parameters.items())


def _value(value: Value) -> _ExportedRow:
    estimate = value.estimate
    low, high = (estimate.interval.low, estimate.interval.high) if estimate.interval else (None, None)
    return estimate.mean, low, high, estimate.rounds, value.ratio_to_reference, *_rank(value.rank)


def _bracket(row: CapacityRow) -> _ExportedRow:
    """The row of a bracket: two ends instead of a value; an end that was not found is empty."""
    low, high = (row.bracket.low, row.bracket.high) if row.bracket else (None, None)
    return None, low, high, row.valid_rounds, None, *_rank(row.rank)


def _rank(rank: RankRange | None) -> _ExportedRow:
    return (rank.first, rank.last) if rank else (None, None)


def _run_facts(run: Run) -> dict[str, object]:
    document = run.document
    return {
        "campaign": document.campaign,
        "run": document.id,
        "started": document.started,
        "finished": document.finished,
        "profile": document.profile,
        "rounds": document.rounds,
        "rtsite_commit": document.rtsite_commit,
        "machine": document.machine.model_dump(exclude_none=True),
        **({"load_hosts": [one.model_dump() for one in document.load_hosts]} if document.load_hosts else {}),
        "raw": f"data/{run.raw}",
    }


def _evidence_facts(evidence: Evidence) -> dict[str, object]:
    document = evidence.document
    return {
        "framework": document.framework.slug,
        "version": document.version,
        "collected": document.collected,
        "findings": {finding.item: finding.value for finding in document.findings},
        "variants": {
            one.variant.slug: {finding.item: finding.value for finding in one.findings} for one in document.variants
        },
        "raw": f"data/{evidence.raw}",
    }


def _schemas() -> dict[str, object]:
    """The JSON Schema of each kind of raw file."""
    models: dict[str, type[BaseModel]] = {
        "run": RunDocument,
        "framework": FrameworkDocument,
        "flame": FlameDocument,
        "evidence": EvidenceDocument,
    }
    return {kind: json_schema_of(model) for kind, model in models.items()}


def _feed(dataset: Dataset, site_url: str, changes: Sequence[ChangePoint]) -> str:
    """An Atom feed (RFC 4287) with one entry per campaign, newest first."""
    ElementTree.register_namespace("", _ATOM)
    base = site_url.rstrip("/") + "/"
    feed = ElementTree.Element(f"{{{_ATOM}}}feed")
    campaigns = _campaigns(dataset.runs)
    updated = max(
        (run.document.finished or run.document.started for run in dataset.runs), default="1970-01-01T00:00:00Z"
    )
    _child(feed, "title", "rtsite: Python real-time frameworks, measured")
    _child(feed, "id", base)
    _child(feed, "updated", updated)
    _child(ElementTree.SubElement(feed, f"{{{_ATOM}}}author"), "name", "rtsite")
    ElementTree.SubElement(feed, f"{{{_ATOM}}}link", {"href": f"{base}feed.xml", "rel": "self"})
    for name, runs in campaigns.items():
        entry = ElementTree.SubElement(feed, f"{{{_ATOM}}}entry")
        newest = runs[0]
        address = base + run_path(newest).removesuffix(".md") + ".html"
        _child(entry, "title", f"Campaign {name}")
        _child(entry, "id", f"{base}data/{name}")
        _child(entry, "updated", max(run.document.finished or run.document.started for run in runs))
        ElementTree.SubElement(entry, f"{{{_ATOM}}}link", {"href": address})
        of_campaign = [one for one in changes if one.after.run.document.campaign == name]
        _child(entry, "summary", " ".join([f"{_summary(runs)}.", *_changed(of_campaign)]))
    ElementTree.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="unicode") + "\n"


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    # XML has no control characters: https://www.w3.org/TR/xml/#charsets.
    legal = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}").text = legal


def _campaigns(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.document.campaign, []).append(run)
    return found


def _summary(runs: Sequence[Run]) -> str:
    frameworks = [one for one in _measured(runs).values() if not one.is_reference]
    workloads = {workload.slug for run in runs for workload in run.document.workloads}
    machine = runs[0].document.machine
    return (
        f"{len(frameworks)} frameworks under {', '.join(sorted(workloads))} on {machine.cpu_model},"
        f" {machine.logical_cpus} logical CPUs"
    )


def _changed(changes: Sequence[ChangePoint]) -> list[str]:
    """What changed with a campaign: the largest changes, each with the value before and after."""
    found = [change_sentence(one).replace("\u00a0", " ") for one in largest_changes(changes)]
    more = len(found) - _CHANGES_IN_FEED
    return [*found[:_CHANGES_IN_FEED], *([f"{more} more changed."] if more > 0 else [])]


def _measured(runs: Iterable[Run]) -> dict[str, FrameworkName]:
    """All frameworks that these runs measured."""
    return {one.slug: one for run in runs for one in run.facts.frameworks}


def _badges(dataset: Dataset, comparison: Comparison, headlines: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A badge with the echo throughput of each framework's headline variant, in the endpoint format of shields.io.

    Each framework that a run measured keeps its badge, also where the published runs have no value of it: its address
    is in the READMEs of others.
    """
    measured = _measured(dataset.runs)
    for slug in sorted(slug for slug, one in measured.items() if not one.is_reference):
        value = next(
            (
                row.values[THROUGHPUT.key].estimate.mean
                for table in comparison.of_workload(_BADGE_WORKLOAD)
                if not table.is_open
                for row in table.valid_rows
                if row.key == (slug, headlines.get(slug)) and THROUGHPUT.key in row.values
            ),
            None,
        )
        badge = {
            "schemaVersion": 1,
            "label": "echo, one core",
            "message": "no result" if value is None else f"{float(f'{value:.3g}'):,.0f} msg/s",
            "color": "lightgrey" if value is None else "0a7d6c",
        }
        yield f"badges/{slug}.json", json.dumps(badge) + "\n"
