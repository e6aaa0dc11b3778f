"""What others build on: the figures as JSON and CSV, a feed of campaigns, badges, and the schema of the raw files.

The addresses are promises; what may be added is further keys, further columns at the end, further files.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from xml.etree import ElementTree

from pydantic import BaseModel

from generator.comparison import CapacityRow, CapacityTable, Comparison, History, Row, Table, capacities, compare
from generator.comparison.tables import Figure
from generator.dataset import Dataset, Evidence, Run
from generator.pages import run_path
from generator.statistics import Place
from runners.record import EvidenceDocument, FlameDocument, FrameworkDocument, RunDocument

SCHEMA_VERSION = 1
_ATOM = "http://www.w3.org/2005/Atom"
_COLUMNS = (
    "campaign", "run", "started", "cpu_model", "logical_cpus", "framework", "variant", "version", "workload",
    "parameters", "status", "metric", "unit", "better", "value", "low", "high", "rounds", "to_reference",
    "place_first", "place_last",
)  # fmt: skip
_OF_A_FIGURE = _COLUMNS[_COLUMNS.index("metric") :]
_in_columns = itemgetter(*_COLUMNS)


def files(dataset: Dataset, site_url: str, history: History | None = None) -> dict[str, str]:
    """Path to text of everything that is offered; ``site_url`` is where the site will stand.

    ``history``: of the dataset's runs, where others ask it too.
    """
    runs, alone = dataset.headline, (history or History(dataset.runs)).alone
    comparison = compare(runs) if runs else None
    rows = _figures(runs, comparison) if comparison else []
    over_time = [row for run in reversed(dataset.runs) for row in _figures([run], alone[run.raw])]
    offered = {
        "data/latest.json": _json({"figures": rows, "runs": [_run_facts(run) for run in runs]}),
        "data/history.json": _json({"columns": _COLUMNS, "rows": [_in_columns(row) for row in over_time]}),
        "data/latest.csv": _csv(rows),
        "data/history.csv": _csv(over_time),
        "data/evidence.json": _json({"evidence": [_evidence_facts(one) for one in dataset.newest_evidence.values()]}),
        "data/schema.json": _json({"documents": _schemas()}),
        "feed.xml": _feed(dataset, site_url),
    }
    return offered | dict(_badges(comparison))


def _json(document: Mapping[str, object]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **document}, separators=(",", ":"), allow_nan=False) + "\n"


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(map(_in_columns, rows))
    return text.getvalue()


def _figures(runs: Sequence[Run], comparison: Comparison) -> list[dict[str, object]]:
    searched = [_capacity(table, row) for table in capacities(runs) for row in table.rows]
    return [*_rows(comparison), *searched]


def _capacity(table: CapacityTable, row: CapacityRow) -> dict[str, object]:
    """A bracket has ends and no value; an end that was not found is empty."""
    low, high = (row.bracket.low, row.bracket.high) if row.bracket else (None, None)
    return {
        **_place(table, row),
        "metric": "capacity",
        "unit": table.unit,
        "better": "higher",
        "value": None,
        "low": low,
        "high": high,
        "rounds": row.valid_rounds,
        "to_reference": None,
        **_standing(row.place),
    }


def _rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    """One row per figure of each variant; a variant without any has one row, which says so by its status."""
    for table in comparison.tables:
        for row in table.rows:
            place = _place(table, row)
            metrics = [metric for metric in table.metrics if metric.key in row.figures]
            for metric in metrics:
                yield {
                    **place,
                    **_told(row.figures[metric.key]),
                    "metric": metric.key,
                    "unit": metric.unit,
                    "better": metric.better,
                }
            if not metrics:
                yield {**place, **dict.fromkeys(_OF_A_FIGURE)}


def _place(table: Table | CapacityTable, row: Row) -> dict[str, object]:
    document = table.run.document
    return {
        "campaign": document.campaign,
        "run": document.id,
        "started": document.started,
        "cpu_model": document.machine.cpu_model,
        "logical_cpus": document.machine.logical_cpus,
        "framework": row.framework.slug,
        "variant": row.variant.slug,
        "version": row.variant.packages.get(row.framework.package),
        "workload": table.workload.slug,
        "parameters": " ".join(f"{name}={value}" for name, value in table.parameters.items()),
        "status": row.status,
    }


def _told(figure: Figure) -> dict[str, object]:
    interval, relative = figure.summary.interval, figure.to_reference
    return {
        "value": figure.summary.mean,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "rounds": figure.summary.rounds,
        "to_reference": relative.value if relative else None,
        **_standing(figure.place),
    }


def _standing(place: Place | None) -> dict[str, object]:
    return {"place_first": place.first if place else None, "place_last": place.last if place else None}


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
    """JSON Schema of each kind of raw file."""
    models: dict[str, type[BaseModel]] = {
        "run": RunDocument,
        "framework": FrameworkDocument,
        "flame": FlameDocument,
        "evidence": EvidenceDocument,
    }
    return {kind: model.model_json_schema() for kind, model in models.items()}


def _feed(dataset: Dataset, site_url: str) -> str:
    """An Atom feed (RFC 4287), one entry per campaign, the newest first."""
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
        _child(entry, "summary", _summary(runs))
    ElementTree.indent(feed)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="unicode") + "\n"


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}").text = text


def _campaigns(runs: Sequence[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.document.campaign, []).append(run)
    return found


def _summary(runs: Sequence[Run]) -> str:
    facts = {item.document.framework.slug: item.document.framework for run in runs for item in run.frameworks}
    frameworks = [one for one in facts.values() if not one.is_reference]
    workloads = {workload.slug for run in runs for workload in run.document.workloads}
    machine = runs[0].document.machine
    return (
        f"{len(frameworks)} frameworks under {', '.join(sorted(workloads))} on {machine.cpu_model},"
        f" {machine.logical_cpus} logical CPUs"
    )


def _badges(comparison: Comparison | None) -> Iterator[tuple[str, str]]:
    """Per framework its echo throughput, in the format that shields reads from an endpoint."""
    if comparison is None:
        return
    for facts in comparison.frameworks:
        best = max(
            (
                row.figures["messages_per_s"].summary.mean
                for table in comparison.of_workload("echo")
                if not table.is_open
                for row in table.valid_rows
                if row.framework.slug == facts.slug and "messages_per_s" in row.figures
            ),
            default=None,
        )
        if best is not None:
            badge = {
                "schemaVersion": 1,
                "label": "echo, one core",
                "message": f"{float(f'{best:.3g}'):,.0f} msg/s",
                "color": "0a7d6c",
            }
            yield f"badges/{facts.slug}.json", json.dumps(badge) + "\n"
