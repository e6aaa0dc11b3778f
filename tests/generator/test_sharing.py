"""What readers take along from a page: a link to a chart, a picture that stands alone, a command, a pair."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from generator.pages.markup import make_environment
from generator.site_build import repository_address
from runners.record import UsageError
from tests.support.visiting import Visit

PAIR = "compare/django-channels-vs-flask-socketio.html"


def test_two_selects_lead_to_the_page_of_a_pair(visit: Visit) -> None:
    page = visit.open(PAIR)
    page.get_by_label("First framework").select_option("fastapi")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare/fastapi-vs-flask-socketio.html")
    page = visit.open("compare/index.html")
    page.get_by_label("First framework").select_option("fastapi")
    page.get_by_label("Second framework").select_option("django-channels")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare/django-channels-vs-fastapi.html")


def test_a_drawn_chart_is_saved_with_its_captions_and_where_it_is_from(visit: Visit, tmp_path: Path) -> None:
    page = visit.open(PAIR)
    chart = page.locator("#chart-ratios")
    starts = {"CSV": b'\xef\xbb\xbf"Metric"', "PNG": b"\x89PNG", "SVG": b"<svg"}
    for name, start in starts.items():
        with page.expect_download() as waiting:
            chart.get_by_role("button", name=name).click()
        waiting.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    picture = ElementTree.parse(tmp_path / "SVG").getroot()
    text = " ".join(picture.itertext())
    assert chart.locator("figcaption strong").inner_text() in text
    assert "2026-11-20" in text
    assert "#chart-ratios" in text
    fills = [one.attrib.get("style", "") for one in picture.iter() if one.tag.endswith("circle")]
    assert fills
    assert all("fill" in style for style in fills), "its looks are in itself"


def test_a_link_to_a_chart_is_copied(visit: Visit) -> None:
    page = visit.open(PAIR)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#chart-ratios").get_by_role("button", name="Copy link").click()
    page.locator("#chart-ratios").get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{visit.address}{PAIR}#chart-ratios"


def test_a_chart_is_embedded_by_a_line_that_works(visit: Visit) -> None:
    page = visit.open(PAIR)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#chart-ratios").get_by_role("button", name="Copy embed").click()
    page.locator("#chart-ratios").get_by_role("button", name="Copied").wait_for()
    line = page.evaluate("navigator.clipboard.readText()")
    title = page.locator("#chart-ratios figcaption strong").inner_text()
    elsewhere = page.context.new_page()
    elsewhere.set_content(line)
    frame = elsewhere.frame_locator("iframe")
    assert frame.locator("strong").inner_text() == title
    assert frame.locator("svg").first.is_visible()
    assert (frame.get_by_role("link").get_attribute("href") or "").endswith(f"{PAIR}#chart-ratios")


def test_the_command_that_measures_a_pair_again_is_copied(visit: Visit) -> None:
    page = visit.open(PAIR)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".rt-trust .rt-copy").click()
    page.locator(".rt-trust").get_by_role("button", name="Copied").wait_for()
    command = "uv run rtsite run --framework django-channels --framework flask-socketio --headline"
    assert page.evaluate("navigator.clipboard.readText()") == command


CUT = """() => [...document.querySelectorAll("svg.rt-drawing")].filter((one) => one.getBoundingClientRect().width)
  .flatMap((drawing) => {
    const { width } = drawing.viewBox.baseVal;
    const boxes = [...drawing.querySelectorAll("text")].map((text) => ({ words: text.textContent, ...text.getBBox(),
      x: text.getBBox().x, right: text.getBBox().x + text.getBBox().width, y: Math.round(text.getBBox().y) }));
    const beyond = boxes.filter((box) => box.x < -1 || box.right > width + 1);
    const covered = boxes.filter((box) => boxes.some((other) =>
      other !== box && Math.abs(other.y - box.y) < 4 && other.x < box.x && other.right > box.x + 1));
    return [...beyond, ...covered].map((box) => box.words);
  })"""
"""The texts of drawings that are cut off, or cover another one on their line."""


@pytest.mark.parametrize("path", [PAIR, "for/dashboard.html", "frameworks/django-channels.html"])
def test_no_text_of_a_drawing_is_cut_off_or_covered(phone: Visit, visit: Visit, path: str) -> None:
    for visitor in (phone, visit):
        assert visitor.open(path).evaluate(CUT) == [], path


def test_a_phone_has_a_drawing_of_its_own(phone: Visit, visit: Visit) -> None:
    for shown, hidden, visitor in ((".rt-narrow", ".rt-wide", phone), (".rt-wide", ".rt-narrow", visit)):
        page = visitor.open(PAIR)
        assert page.locator(f"#chart-ratios {shown} svg").is_visible()
        assert not page.locator(f"#chart-ratios {hidden} svg").is_visible()


@pytest.mark.parametrize(
    ("repository", "begin", "end"),
    [
        ("https://git.example/owner/name", "/issues/new?title=", "&body="),
        ("https://gitlab.example/group/name", "/-/issues/new?issue%5Btitle%5D=", "&issue%5Bdescription%5D="),
    ],
)
def test_whoever_contests_a_value_finds_an_issue_begun(repository: str, begin: str, end: str) -> None:
    contest = make_environment(repository=repository).globals["contest"]
    assert callable(contest)
    found = contest("A & B <vs> C")
    assert found.startswith(f"{repository}{begin}Contest%3A%20A%20%26%20B%20%3Cvs%3E%20C{end}")
    without = make_environment().globals["contest"]
    assert callable(without)
    assert without("A") == ""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ""),
        ({"GITHUB_REPOSITORY": "owner/name"}, "https://github.com/owner/name"),
        ({"GITHUB_REPOSITORY": "o/n", "GITHUB_SERVER_URL": "https://git.example"}, "https://git.example/o/n"),
        ({"RTSITE_REPOSITORY": "https://git.example/o/n/", "GITHUB_REPOSITORY": "x/y"}, "https://git.example/o/n"),
    ],
)
def test_the_repository_is_that_of_the_workflow_or_of_a_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("RTSITE_REPOSITORY", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert repository_address() == expected


@pytest.mark.parametrize(
    "wrong", ["owner/name", "javascript:alert(1)", "http://git.example/o/n", "https://git.example"]
)
def test_what_is_no_address_of_a_repository_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("RTSITE_REPOSITORY", wrong)
    with pytest.raises(UsageError, match="which is no address of a repository; expected one such as"):
        repository_address()
