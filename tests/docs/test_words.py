from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.modules import load_module

ROOT = Path(__file__).parents[2]


words = load_module(ROOT / ".ci" / "words.py")
LONG = " ".join(["word"] * 31)


def found(source: str, name: str = "runners/module.py") -> list[tuple[int, str]]:
    return [(finding.line, finding.key) for finding in words.check_source(name, source)]


@pytest.mark.parametrize(
    "sentence",
    [
        "The figure is high.",
        "The other cases of the workload.",
        "The generator's CPU.",
        "The load that is withstood.",
        "What the machine spoilt.",
        "The rest stands above.",
        "Two that cannot be told apart.",
        "The facts that were established.",
        "A message under way.",
    ],
)
def test_a_word_that_we_do_not_use_is_found(sentence: str) -> None:
    assert len(found(f'"""{sentence}"""\n')) == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "A flame figure, and Plotly's figure.",
        "In that case the use case is clear, in upper case.",
        "The load generator, the site generator, a Python generator and a generator expression.",
        "Established connections, and connections that were established.",
        "The key `figure` and ``said``.",
        "The understanding of a storied witness.",
        "Of course.",
        "It answers the question in place.",
    ],
)
def test_a_word_in_its_right_meaning_is_not_found(sentence: str) -> None:
    assert found(f'"""{sentence}"""\n') == []


def test_docstrings_comments_help_and_messages_are_read_and_code_is_not() -> None:
    source = '''"""A module.

A figure.
"""
figure = "a figure"  # a figure
value = 1
"""An attribute: a figure."""


def function(figure):
    """Its figure."""
    if not figure:
        raise ValueError(f"no {figure} in the"
                         " figure")
    typer.Option("--figure", help="A figure.")
    say("a " "figure")
    return {"a figure": "a figure"}
'''
    assert found(source) == [(line, "figure") for line in (3, 5, 7, 11, 13, 15, 16)]


def test_the_line_of_a_finding_is_its_own_in_a_paragraph_of_several() -> None:
    assert found('"""One\n    two\n    figure\n    four."""\n') == [(3, "figure")]
    assert found("# one\n# figure\nx = 1\n") == [(2, "figure")]


def test_long_sentences_are_found_where_they_begin() -> None:
    assert found(f'"""Short.\n\n{LONG}."""\n') == [(3, "long sentence")]
    assert found(f'"""{" ".join(["word"] * 30)}. And more."""\n') == []


def test_code_and_values_count_as_one_word() -> None:
    code = "`" + LONG + "`"
    assert found(f'"""Run {code} now."""\n') == []


def test_a_line_can_allow_a_word_with_a_reason() -> None:
    assert found("x = 1  # a figure  # words: allow figure, the type of another library\n") == []
    assert found("A figure. <!-- words: allow figure, a drawing -->\n", "README.md") == []
    assert found("x = 1  # a figure  # words: allow figure,\n") == [(1, "figure")], "no reason"


def test_other_strings_are_searched_for_words_if_they_are_long() -> None:
    assert found('row = Row(title="The figure of a row")\nkey = {"a figure": f"{row} has the same figure"}\n') == [
        (1, "figure"),
        (2, "figure"),
    ]
    assert found(f'row = "{LONG}"\n') == []
    assert found('"""One two three four\n\nfive figure seven eight."""\n') == [(3, "figure")]


def test_a_rule_holds_in_its_folders_only() -> None:
    assert found('"""The generator runs."""\n', "generator/build.py") == []
    assert found('"""The generator runs."""\n', "runners/loading/driver.py") == [(1, "generator")]


def test_paragraphs_items_and_cells_of_markdown_are_read_apart() -> None:
    half = " ".join(["word"] * 16)
    source = f"""# A figure

{half}

- {half}
- {half}

| {half} | {half} |
|---|---|
| a figure | [a figure](figure.md) |

```python
a figure
```

<!-- generated: thresholds -->
a figure
<!-- end -->
"""
    assert found(source, "README.md") == [(1, "figure"), (10, "figure")]


PAGE = f"""<html><head><title>A figure</title></head><nav>A figure</nav><article>
<h1>Questions</h1>
<p>A <b>fig</b>ure, <code>a figure</code> and “a figure”. <a class="headerlink" title="figure">¶</a></p>
<p data-recorded>A figure. <br> A figure.</p>
<pre>a figure</pre><template><script>a figure</script></template>
<p title="A figure">See<br>{"word " * 26}.</p>
<p>We list {", ".join(["a name"] * 30)} here.</p>
<svg aria-label="A figure"><text>figure</text></svg>
</article><footer>A figure</footer></html>
"""


def test_visible_texts_of_built_pages_are_read() -> None:
    assert found(PAGE, "build/index.html") == [
        (3, "figure"),
        (6, "figure"),
        (6, "long sentence"),
        (8, "figure"),
    ]
    assert found("<p>The generator of another project.</p>", "404.html") == [(1, "generator")]


def test_sentences_of_pages_are_shorter() -> None:
    sentence = " ".join(["word"] * 26) + ".\n"
    assert found(sentence, "site/page.md") == [(1, "long sentence")]
    assert found(sentence, "docs/page.md") == []


def test_a_folder_is_a_built_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "embed").mkdir()
    for name in ("index.html", "embed/chart.html"):
        (tmp_path / name).write_text("<article><p>A figure.</p></article>")
    (tmp_path / "notes.txt").write_text("A figure.")
    assert words.main([str(tmp_path)]) == 1
    assert "1 findings in 1 files" in capsys.readouterr().out


def test_the_command_prints_findings_and_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('"""A figure."""\n')
    assert words.main([str(file)]) == 1
    assert "module.py:1: “figure”, use metric, value or result" in capsys.readouterr().out
    assert words.main(["--count", str(file)]) == 1
    assert "     1 figure\n1 findings in 1 files" in capsys.readouterr().out
    file.write_text('"""A value."""\n')
    assert words.main([str(file)]) == 0
