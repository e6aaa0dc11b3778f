from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate
from runners.judging.thresholds import STEAL
from runners.record import FrameworkDocument, Measurement

DECISION = "# A title\n\nDate: 2026-11-21\n\n## Context\n\nC.\n\n## Decision\n\nFirst. Second.\n\n## Rejected\n\n- R.\n"


def test_everything_generated_is_up_to_date() -> None:
    stale = [page for page, _ in generate.find_stale()]
    assert stale == [], "run `uv run python docs/generate.py`"


def test_a_stale_file_is_named_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- generated: thresholds -->\nold\n<!-- end -->\n\nAfter.\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "PAGES", ("page.md",))
    monkeypatch.setattr(generate, "WHOLE", {"whole.json": lambda: "{}\n"})
    assert generate.main(["--check"]) == 1
    assert "page.md: stale" in capsys.readouterr().out
    assert "\nold\n" in page.read_text()
    assert not (tmp_path / "whole.json").exists()
    assert generate.main([]) == 0
    assert (tmp_path / "whole.json").read_text() == "{}\n"
    text = page.read_text()
    assert "\nold\n" not in text
    assert f"| CPU steal | at most {STEAL.limit:g}&nbsp;% |" in text
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert generate.main(["--check"]) == 0


def test_the_data_page_lists_every_key_of_every_result_file() -> None:
    text = (generate.ROOT / "site" / "data.md").read_text(encoding="utf-8")
    assert set(generate.sections_of(text)) == generate.published_models()


def test_links_from_a_key_lead_to_the_section_of_its_keys() -> None:
    text = (generate.ROOT / "site" / "data.md").read_text(encoding="utf-8")
    anchors = re.findall(r"\{ #([\w-]+) \}", text)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= set(anchors)
    assert "| `latency_ms` | [keys](#percentiles), optional |" in text


def test_a_path_of_keys_leads_through_lists_and_tables() -> None:
    assert generate.model_at("framework.yml") is FrameworkDocument
    assert generate.model_at("framework.yml cells measurements") is Measurement


@pytest.mark.parametrize("path", ["elsewhere.yml", "framework.yml nothing", "framework.yml run"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(generate.StaleError, match=path):
        generate.model_at(path)


def test_a_part_that_nothing_generates_is_refused() -> None:
    with pytest.raises(generate.StaleError, match="poetry"):
        generate.fill("<!-- generated: poetry -->\n<!-- end -->")


def test_a_page_whose_generated_part_is_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.md").write_text("<!-- generated: thresholds -->\nold, and no end\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "PAGES", ("page.md",))
    monkeypatch.setattr(generate, "WHOLE", {"whole.json": lambda: "{}\n"})
    with pytest.raises(generate.StaleError, match=r"page\.md has no generated part"):
        list(generate.find_stale())


def test_every_command_is_listed_with_its_help() -> None:
    text = generate.command_reference()
    for command in ("run", "load", "list frameworks", "new framework", "ci plan"):
        assert f"\nUsage: rtsite {command} " in text
    assert "--connections" in text


def test_decisions_are_numbered_without_gaps() -> None:
    decisions = generate.load_decisions()
    assert [one.number for one in decisions] == list(range(1, len(decisions) + 1))
    assert len({one.title for one in decisions}) == len(decisions)


def test_a_decision_has_a_summary_and_a_form(tmp_path: Path) -> None:
    (tmp_path / "001-title.md").write_text(DECISION)
    (found,) = generate.load_decisions(tmp_path)
    assert (found.title, found.date, found.summary) == ("A title", "2026-11-21", "First.")
    (tmp_path / "002-no-date.md").write_text(DECISION.replace("Date: 2026-11-21\n\n", ""))
    with pytest.raises(generate.StaleError, match=r"002-no-date\.md is not a decision"):
        generate.load_decisions(tmp_path)
