"""Rooms across processes: the value is what a variant proved, and the lines are those that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.evidence.rooms import HELPER, count_lines, rooms_across_finding
from runners.record import Finding, degree_of
from runners.subjects.catalog import EvidenceHints, Framework, read_folder
from tests.support import frameworks

HELPING = '"""Rooms."""\n\n# They span processes.\nimport os\n\nREDIS = os.environ.get(\n    "REDIS_URL",\n)\n'


def folder(tmp_path: Path, claimed: str | None) -> Framework:
    """Two variants: ``good`` serves app.py, ``small`` an app with the helper."""
    home = frameworks.make(tmp_path / "mine", ["good", "small"])
    (home / HELPER).write_text(HELPING)
    (home / "redis_app.py").write_text("import redis_rooms\n\nredis_rooms.REDIS\n")
    made = read_folder(home)
    good, small = made.variants
    small = small.model_copy(update={"command": ["python", "redis_app.py", "{port}"]})
    hints = EvidenceHints.model_validate({"rooms_across": claimed})
    return made.model_copy(update={"variants": [good, small], "evidence": hints, "cannot": {"scaleout": "Nobody can."}})


def spanning(**values: bool) -> dict[str, Finding]:
    return {slug: Finding(item="cross-process", value=value, note="as seen") for slug, value in values.items()}


@pytest.mark.parametrize(
    ("claimed", "seen", "value", "note"),
    [
        ("built-in", {"good": True, "small": True}, "built in", "proven by good"),
        ("built-in", {"good": False, "small": True}, None, "not proven: good: as seen"),
        ("helper", {"good": True, "small": True}, "with 6 lines", "redis_app.py 2, redis_rooms.py 4; proven by small"),
        ("helper", {"good": True, "small": False}, None, "not proven: small: as seen"),
        ("helper", {}, None, "not proven: no variant does it"),
        ("no", {"good": False}, "no", "Nobody can."),
        (None, {"good": True}, None, "pyproject.toml has no rooms_across"),
    ],
)
def test_the_value_is_what_a_variant_proved(
    tmp_path: Path, claimed: str | None, seen: dict[str, bool], value: str | None, note: str
) -> None:
    framework = folder(tmp_path, claimed)
    found = rooms_across_finding(framework, framework.variants[0], spanning(**seen))
    assert found.value == value
    assert note in (found.note or "")


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("", 0),
        (HELPING, 4),
        ("x = 1  # one\n\n\n# two\n", 1),
        ('def f():\n    """Words\n    and more."""\n    return 1\n', 2),
        ('import os\nimport sys\n\nx = sys\n\nif __name__ == "__main__":\n    os.fork()\n    print(x)\n', 2),
    ],
)
def test_lines_of_code(tmp_path: Path, source: str, lines: int) -> None:
    path = tmp_path / "one.py"
    path.write_text(source)
    assert count_lines(path) == lines


def test_what_serves_only_an_exchange_that_not_all_have_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "import app\n\n\n@app.post\n@app.all\ndef post():\n    return app\n\n\ndef room():\n    return app\n"
    )
    assert count_lines(path, {"post", "absent"}) == 3
    assert count_lines(path) == 7


@pytest.mark.parametrize(
    ("value", "degree"),
    [(True, 1.0), ("built in", 1.0), ("with 24 lines", 0.5), ("no", 0.0), (False, 0.0), (3, None), (None, None)],
)
def test_every_framework_that_can_with_own_code_gets_half(value: bool | str | int | None, degree: float | None) -> None:
    assert degree_of(value) == degree
