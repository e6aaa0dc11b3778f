"""The sizes of a test are tabs: links that work without scripts, from the keyboard, as addresses and on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.pages.sizes import size_labels
from runners.record.parameters import WORDINGS
from runners.subjects.workloads import WORKLOADS
from tests.support.visiting import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ECHO = "tests/echo.html"
CLOSED = "echo-mode-closed-connections-100-payload-bytes-64-server-cores-1"
OPEN = "echo-mode-open-connections-100-payload-bytes-64-rate-per-s-1000-server-cores-1"
WIDTHS = """() => [...document.querySelectorAll(".rt-plot[data-drawn]")].filter((plot) => plot.checkVisibility())
  .map((plot) => [plot.clientWidth, plot.querySelector(".main-svg").getBoundingClientRect().width])"""


def headings(page: Page) -> list[str]:
    """The anchors of the sizes that are shown."""
    found = page.locator(".rt-size:visible").evaluate_all("sizes => sizes.map(one => one.querySelector('h2').id)")
    return list(map(str, found))


def marked(page: Page) -> list[str]:
    return page.locator(".rt-size-tabs a[aria-current]").all_text_contents()


@pytest.mark.parametrize(
    ("every", "labels"),
    [
        ([{"mode": "closed", "connections": 100}], ["Results"]),
        (
            [{"mode": "closed", "connections": 100}, {"mode": "open", "connections": 100, "rate_per_s": 1000}],
            ["Closed loop", "Fixed rate"],
        ),
        (
            [{"mode": mode, "members": count} for mode in ("closed", "open") for count in (10, 1000)],
            [
                "Closed loop, 10 members",
                "Closed loop, 1,000 members",
                "Fixed rate, 10 members",
                "Fixed rate, 1,000 members",
            ],
        ),
        ([{"search": "rate", "connections": 100}, {"search": "users"}], ["Highest rate", "Most users"]),
        (
            [
                {"search": "rate", "connections": 100},
                {"mode": "open", "connections": 100, "load_percent": 20},
                {"mode": "open", "connections": 100, "load_percent": 50},
            ],
            ["Highest rate", "At 20 % of its capacity", "At 50 % of its capacity"],
        ),
    ],
    ids=["one", "two loops", "rooms", "searches", "shares"],
)
def test_a_tab_says_what_distinguishes_its_size(every: list[dict[str, int | float | str]], labels: list[str]) -> None:
    assert size_labels(every) == labels


PARAMETERS = st.dictionaries(
    st.sampled_from(sorted(WORDINGS)), st.sampled_from([1, 2, 10, 1000, "closed", "open", "rate"]), max_size=4
)


@given(st.lists(PARAMETERS, min_size=1, max_size=8))
def test_tabs_of_one_test_differ_and_are_short(every: list[dict[str, int | float | str]]) -> None:
    labels = size_labels(every)
    assert len(set(labels)) == len(labels) == len(every)
    assert all(label and len(label) <= 50 for label in labels)


def test_tabs_of_our_workloads_need_no_numbers() -> None:
    for workload in WORKLOADS.values():
        every = [one.parameters for one in workload.scenarios]
        labels = size_labels([one for index, one in enumerate(every) if one not in every[:index]])
        assert all(len(label) <= 45 for label in labels), labels
        assert not any(label.endswith((")", "…")) for label in labels), labels


def test_an_address_shows_the_size_that_it_leads_into_and_charts_have_their_width(visit: Visit) -> None:
    page = visit.open(ECHO)
    assert headings(page) == [CLOSED]
    assert marked(page) == ["Closed loop"]
    visit.draw_all()
    page.locator(".rt-size-tabs a").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.rt-size-tabs a:last-child').ariaCurrent === 'true'")
    assert headings(page) == [OPEN]
    assert page.url.endswith(f"#{OPEN}")
    assert page.locator(".rt-size-tabs").evaluate("tabs => tabs.getBoundingClientRect().top") >= 0, "they stay in sight"
    assert visit.draw_all() > 0
    assert all(plot == drawn > 300 for plot, drawn in page.evaluate(WIDTHS))
    page.locator('label[for="__palette_1"]').click()  # what is hidden is drawn anew, too
    page.wait_for_selector(".rt-plot[data-drawn=dark]:visible")
    page.go_back()
    page.wait_for_function("document.querySelector('.rt-size-tabs a').ariaCurrent === 'true'")
    assert headings(page) == [CLOSED]
    page.wait_for_function(f"({WIDTHS})().every(([plot, drawn]) => plot === drawn)")
    page = visit.open(f"{ECHO}#chart-{OPEN}-latency")
    assert headings(page) == [OPEN]


def test_a_link_to_elsewhere_in_the_page_leaves_the_size(visit: Visit) -> None:
    page = visit.open(f"{ECHO}#{OPEN}")
    page.wait_for_function("document.querySelector('.rt-size-tabs a:last-child').ariaCurrent === 'true'")
    page.evaluate("location.hash = '#settings'")
    page.wait_for_load_state("networkidle")  # the first change fetches the page again
    assert headings(page) == [OPEN]


def test_without_scripts_sizes_are_tabs_and_on_paper_all_are_there(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{address}{ECHO}")
        assert page.locator(f"#{CLOSED}").is_visible()
        assert not page.locator(f"#{OPEN}").is_visible()
        page.locator(".rt-size-tabs a").last.click()
        assert page.locator(f"#{OPEN}").is_visible()
        assert not page.locator(f"#{CLOSED}").is_visible()
        page.emulate_media(media="print")
        assert page.locator(f"#{OPEN}").is_visible()
        assert page.locator(f"#{CLOSED}").is_visible()
    finally:
        context.close()
