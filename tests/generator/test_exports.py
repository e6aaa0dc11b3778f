"""Exports have the same values as the pages, in formats that standard readers accept."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pandas
import pytest

from benchmarks import synthetic
from generator import exports
from generator.comparison import capacity_tables, compare_runs
from generator.comparison.tables import Value
from generator.dataset import Dataset, FrameworkResult, load_results

PAGE = Path(__file__).parents[2] / "site" / "data.md"
ATOM = "{http://www.w3.org/2005/Atom}"
HEADLINES = {"fastapi": "uvicorn", "django-channels": "not-measured"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=3, seconds=1)
    synthetic.write(
        folder, rounds=3, seconds=1, run="2026-11-13-b", campaign="2026-11-13", started="2026-11-13T09:00:00Z", seed=2
    )
    synthetic.write_evidence(folder)
    return load_results(folder)


@pytest.fixture(scope="module")
def over_time(dataset: Dataset) -> dict[str, str | bytes]:
    return {path: make() for path, make in exports.over_time(dataset.runs).items()}


@pytest.fixture(scope="module")
def offered(dataset: Dataset, over_time: dict[str, str | bytes]) -> dict[str, str]:
    texts = {path: made for path, made in over_time.items() if isinstance(made, str)}
    return exports.files(dataset, "https://example.org/bench", HEADLINES) | texts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, over_time: dict[str, str | bytes]) -> Path:
    """A folder with the history as Parquet, where the site has it."""
    folder = tmp_path_factory.mktemp("site")
    made = over_time["data/history.parquet"]
    assert isinstance(made, bytes)
    (folder / "data").mkdir()
    (folder / "data" / "history.parquet").write_bytes(made)
    return folder


def code_of(language: str) -> str:
    """The only code in a language on the page of the data."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return str(code)


def ratio_of(value: Value) -> float | None:
    relation = value.to_reference
    return relation.value if relation and relation.is_ratio else None


def test_the_newest_values_are_those_of_the_pages(dataset: Dataset, offered: dict[str, str]) -> None:
    latest = json.loads(offered["data/latest.json"])
    assert latest["schema_version"] == 1
    found = {
        (row["framework"], row["variant"], row["workload"], row["parameters"], row["metric"]): (
            row["value"],
            row["to_reference"],
        )
        for row in latest["figures"]
    }
    comparison = compare_runs(dataset.headline)
    expected = {
        (
            *row.key,
            table.workload.slug,
            " ".join(f"{name}={value}" for name, value in table.parameters.items()),
            key,
        ): (figure.estimate.mean, ratio_of(figure))
        for table in comparison.tables
        for row in table.rows
        for key, figure in row.values.items()
    }
    assert {key: value for key, value in found.items() if value != (None, None)} == expected
    assert any(ratio is not None for _, ratio in expected.values())
    searched = {
        (row["framework"], row["variant"], row["parameters"].split("search=")[1].split()[0]): (row["low"], row["high"])
        for row in latest["figures"]
        if row["metric"] == "capacity"
    }
    assert searched == {
        (*row.key, table.parameters["search"]): (row.bracket.low, row.bracket.high) if row.bracket else (None, None)
        for table in capacity_tables(dataset.headline)
        for row in table.rows
    }
    failed = [row for row in latest["figures"] if row["status"] == "failed"]
    assert failed
    assert all(row["value"] is None for row in failed)


def test_history_holds_every_run(dataset: Dataset, offered: dict[str, str]) -> None:
    history = json.loads(offered["data/history.json"])
    rows = [dict(zip(history["columns"], row, strict=True)) for row in history["rows"]]
    assert {row["campaign"] for row in rows} == {"2026-11-13", "2026-11-20"}
    assert [row["started"] for row in rows] == sorted(row["started"] for row in rows)
    assert len(dataset.runs) == 2


@pytest.mark.parametrize("name", ["latest", "history"])
def test_csv_and_json_have_the_same_values(offered: dict[str, str], name: str) -> None:
    rows = list(csv.DictReader(io.StringIO(offered[f"data/{name}.csv"])))
    document: dict[str, Any] = json.loads(offered[f"data/{name}.json"])
    others = (
        document["figures"]
        if name == "latest"
        else [dict(zip(document["columns"], row, strict=True)) for row in document["rows"]]
    )
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert {key: "" if value is None else str(value) for key, value in other.items()} == row


def test_parquet_has_the_same_values(offered: dict[str, str], site: Path) -> None:
    history = json.loads(offered["data/history.json"])
    found = duckdb.read_parquet(str(site / "data" / "history.parquet"))
    assert found.columns == history["columns"]
    rows = found.fetchall()
    when = history["columns"].index("started")
    assert [[*row[:when], f"{row[when]:%Y-%m-%dT%H:%M:%SZ}", *row[when + 1 :]] for row in rows] == history["rows"]


def test_the_queries_on_the_page_run_as_they_are(site: Path) -> None:
    query = code_of("sql").replace(exports.ANY_SITE, f"{site}/")
    assert str(site) in query
    names = ("started", "framework", "variant", "value", "low", "high")
    found = duckdb.sql(query)
    assert found is not None
    assert tuple(found.columns) == names
    assert {row[1] for row in found.fetchall()} >= {"fastapi", "flask-socketio"}
    values: dict[str, Any] = {"pandas": pandas}
    exec(code_of("python").replace(exports.ANY_SITE, f"{site}/"), values)
    history = values["history"]
    assert list(history.columns) == list(exports._TYPES)
    assert len(history) == duckdb.read_parquet(str(site / "data" / "history.parquet")).count("*").fetchall()[0][0]
    assert history["value"].dtype == "float64"
    assert str(history["started"].dtype).startswith("datetime64")


def test_the_page_describes_every_column_in_order() -> None:
    (table,) = re.findall(r"^\| Column \|.*?\n\n", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    first = [line.split("|")[1] for line in table.splitlines()[2:] if line]
    assert [name for cell in first for name in re.findall(r"`(\w+)`", cell)] == list(exports._TYPES)


def test_evidence_and_schema(offered: dict[str, str]) -> None:
    evidence = json.loads(offered["data/evidence.json"])["evidence"]
    assert {one["framework"] for one in evidence} == {"websockets", "fastapi", "flask-socketio", "django-channels"}
    assert all("statements" in one["findings"] for one in evidence)
    schema = json.loads(offered["data/schema.json"])["documents"]
    assert set(schema) == {"run", "framework", "flame", "evidence"}
    assert all(one["additionalProperties"] is False for one in schema.values())


def test_the_feed_is_atom_with_an_entry_per_campaign(offered: dict[str, str]) -> None:
    feed = ElementTree.fromstring(offered["feed.xml"])
    assert feed.tag == f"{ATOM}feed"
    for name in ("title", "id", "updated"):
        assert feed.findtext(f"{ATOM}{name}"), name
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["Campaign 2026-11-20", "Campaign 2026-11-13"]
    links = [link.get("href") for entry in entries for link in entry.findall(f"{ATOM}link")]
    assert links[0] == "https://example.org/bench/runs/2026-11-20--2026-11-20-a1b2c3.html"
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 2


def test_each_row_ends_with_the_loop_of_its_variant_and_what_idle_cpus_did(dataset: Dataset) -> None:
    def on_uvloop(item: FrameworkResult) -> FrameworkResult:
        document = item.document
        variants = [one.model_copy(update={"loop": "uvloop"}) for one in document.variants]
        return replace(item, document=document.model_copy(update={"variants": variants}))

    runs = tuple(
        replace(
            run,
            frameworks=tuple(
                on_uvloop(item) if item.document.framework.slug == "fastapi" else item for item in run.frameworks
            ),
        )
        for run in dataset.runs
    )
    text = exports.files(replace(dataset, runs=runs), "https://example.org", HEADLINES)["data/latest.csv"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0])[-2:] == ["loop", "idle_cpus"]
    assert {row["idle_cpus"] for row in rows} == {"asleep"}
    assert {row["loop"] for row in rows if row["framework"] == "fastapi"} == {"uvloop"}
    assert {row["loop"] for row in rows if row["framework"] != "fastapi"} == {""}
    assert any(row["metric"] == "capacity" for row in rows if row["loop"])


def test_a_badge_per_framework_has_the_value_of_its_headline_variant(offered: dict[str, str]) -> None:
    badge = json.loads(offered["badges/fastapi.json"])
    assert badge["schemaVersion"] == 1
    (value,) = (
        one["value"]
        for one in json.loads(offered["data/latest.json"])["figures"]
        if (one["framework"], one["variant"], one["workload"]) == ("fastapi", "uvicorn", "echo")
        and one["metric"] == "messages_per_s"
        and "mode=closed" in one["parameters"]
    )
    assert badge["message"] == f"{float(f'{value:.3g}'):,.0f} msg/s"
    assert json.loads(offered["badges/django-channels.json"])["message"] == "no result", "its headline has no value"
    assert "badges/reference.json" not in offered


def test_without_results_everything_is_empty_and_valid() -> None:
    offered = exports.files(Dataset(()), "https://example.org", {})
    assert json.loads(offered["data/latest.json"])["figures"] == []
    assert ElementTree.fromstring(offered["feed.xml"]).findall(f"{ATOM}entry") == []
    assert not any(path.startswith("badges/") for path in offered)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    text = ' <script>&"quotes"</script>, = 1'
    synthetic.write(tmp_path, rounds=2, seconds=1, text=text)
    offered = exports.files(load_results(tmp_path), "https://example.org", {})
    (row, *_) = csv.DictReader(io.StringIO(offered["data/latest.csv"]))
    assert row["cpu_model"].endswith(text)
    summary = ElementTree.fromstring(offered["feed.xml"]).find(f"{ATOM}entry/{ATOM}summary")
    assert summary is not None
    assert text in (summary.text or "")
