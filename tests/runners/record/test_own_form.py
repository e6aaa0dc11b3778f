"""The fast reader of our own files gives what PyYAML gives, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import synthetic
from runners.record import result_files, save
from runners.record.own_form import read_own_form
from runners.record.store import MAX_DEPTH, _Dumper, _Loader, _meaning, _styled
from tests.support.documents import framework_document

ROOT = Path(__file__).parents[3]


def fast(raw: bytes) -> Any:
    return read_own_form(raw, _meaning, max_depth=MAX_DEPTH)


def assert_alike(raw: bytes) -> bool:
    """Whether the fast reader reads it; what it reads, PyYAML reads alike. As text, since 1 equals true and 1.0."""
    found = fast(raw)
    if found is None:
        return False
    assert repr(found) == repr(yaml.load(raw, Loader=_Loader))
    return True


SCALARS = (
    *"""
~   null   Null   NULL   true   True   TRUE   false   yes   No   on   OFF   y   n   0   -0   +1   5   -5   007   010
08   0o17   0x1F   0b11   1_000   _1   1:30   1:30:00.5   190:20:30   0.0   -0.0   1.5   1.   .5   -.5   +.5   1e3
1E3   1.0e3   1.0e+3   1.0e-05   1.0E+3   1.5e400   .inf   -.inf   +.INF   .nan   .NaN   inf   nan
9999999999999999   99999999999999999   9999999999999999999999999999999999999999
99999999999999999999999999999999999999999   0.111111111111111111111111111111111111111   2026-11-01
2026-11-01T00:00:00Z   3.10   3.10.1   0.165.0   =   <<   =x   .   ..   ./app.py   /   -   --   ---   -x   - x   -1-
?   ? x   :   a:   :a   a:b   a: b   a :b   a #b   a#b   #a   a,b   [a]   [1]   [1, 2]   [1,2]   [ 1 ]   [1, ]   []
[ ]   {}   {a: 1}   {a: 1, a: 2}   {a: b}   {a: 1, on: 2}   {On: 1}   {.: 1}   {'?': 1.5, b: null}   {'a': 1, a: 2}
{1: 2}   {a: [1]}   [[1]]   [true, yes]   [1.5, null, ~]   [1e3]   [1.0e+3, -2.5]   {a.b/c-d: 1}   {a:1}   {a: 1}x
[1] x   '   ''   '''   ''''   'a'   'it''s'   'a' b   'a': b   'a: b'   'a #b'   &a   &a b   *a   !a   !!str a   |
>   | x   %a   @a   `a   a'b   host {port} [x]   ?/x   ?a   (a)   <a>   $a   é   ×   a  b
""".strip()
    .replace("\n", "   ")
    .split("   "),
    "",
    "'a\\n'",
    '"a"',
    '"a\\n"',
    "? ",
    "a\\b",
    "— a",
    "\xa0",
    "a\tb",
    "\u2028",
    "\ufeff",
)
"""Scalars that readers take for different things."""


@pytest.mark.parametrize("scalar", SCALARS)
def test_a_scalar_means_the_same_wherever_it_is(scalar: str) -> None:
    for text in (
        f"a: {scalar}\n",
        f"a:\n- {scalar}\n- 1\n",
        f"{scalar}: 1\n",
        f"a:\n  {scalar}: 1\n  b: 2\n",
        f"a: [1, {scalar}]\n",
        f"a: {{b: {scalar}, c: 2}}\n",
        f"a: {{{scalar}: 1}}\n",
        f"a: b\n  {scalar}\n",
        f"a: {scalar}\n  b\n",
        f"a: 'b\n  {scalar}'\n",
        f"a: {scalar}\nb:\n- c: {scalar}\n  d: {scalar}\n- - {scalar}\n  - 2\n",
    ):
        assert_alike(text.encode())


def test_what_we_write_is_read_fast(tmp_path: Path) -> None:
    save(framework_document(), tmp_path / "fastapi.yml")
    assert assert_alike((tmp_path / "fastapi.yml").read_bytes())
    synthetic.write(tmp_path / "results", rounds=2, seconds=3, rooms=True, flamed=("fastapi",))
    synthetic.write_evidence(tmp_path / "results")
    assert all(assert_alike(path.read_bytes()) for path in result_files(tmp_path / "results"))


def test_nearly_all_published_files_are_read_fast() -> None:
    paths = result_files(ROOT / "results")
    slow = [path for path in paths if fast(path.read_bytes()) is None]
    assert len(slow) <= len(paths) // 10, slow


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(SCALARS)
    | st.text(st.characters(codec="utf-8"), max_size=200),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(SCALARS) | st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), values, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_whatever_our_writer_writes_is_read_alike(data: dict[str, Any]) -> None:
    written = yaml.dump(_styled(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    assert_alike(written.encode("utf-8", "surrogatepass"))


PIECES = (
    *SCALARS,
    *(" ", "  ", "\n", "\n  ", "\n- ", ": ", "- ", ", ", "'", '"', "#", "# a\n", "[", "]", "{", "}", ":", "\r"),
)
GOOD = """\
# Measured by rtsite.
kind: framework
title: A title that is
  continued
note: 'it''s: quoted
  and continued'
rows:
- [1, 2.5, null]
- {count: 4, mean: 1.0e-05,
  p50: 3}
cells:
- name: first
  values: {count: 4}
  parts:
  - '3.11'
  - word
- name: second
  empty: []
  deep:
    deeper: -1
last: true
"""


@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=2)),
        max_size=4,
    )
)
@settings(deadline=None, max_examples=400)
def test_a_changed_text_is_read_alike_or_left_alone(changes: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for start, length, piece in changes:
        text = text[:start] + piece + text[start + length :]
    assert_alike(text.encode("utf-8", "surrogatepass"))


def test_the_unchanged_text_is_read_fast() -> None:
    assert assert_alike(GOOD.encode())


@pytest.mark.parametrize("levels", [MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH, 5_000])
def test_deep_nesting_is_left_to_the_slow_reader(levels: int) -> None:
    keys = "\n".join(" " * level + "a:" for level in range(levels - 1))
    is_read = fast(f"{keys}\n{' ' * levels}a: 1\n".encode()) is not None
    assert is_read == (levels < MAX_DEPTH)
    assert (fast(f"a:\n{'- ' * levels}1\n".encode()) is not None) == (levels < MAX_DEPTH - 1)
