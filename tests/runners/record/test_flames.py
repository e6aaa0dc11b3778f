"""Flame documents are written and read back, without contradictions and dangling references."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.record import RecordError, load_flames, load_framework, problems_in, save
from tests.support.documents import flame, flame_document


def changed(folder: Path, old: str, new: str) -> list[str]:
    """The problems of a good file with a flaw."""
    path = folder / "fastapi.flame.yml"
    save(flame_document(), path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return [problem.message for problem in problems_in(path)]


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    failed = flame().model_copy(
        update={
            "variant": "daphne", "failure": "no", "graph": None, "samples": None, "top": [], "self_percent": {},
            "py_spy": None, "duration_s": None, "rate_per_s": None, "errors": None,
        }
    )  # fmt: skip
    document = flame_document(flame(), failed)
    path = tmp_path / "fastapi.flame.yml"
    save(document, path)
    assert load_flames(path) == document
    assert problems_in(path) == []
    with pytest.raises(RecordError):
        load_framework(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("- [1, 1, 60, 60]", "- [2, 1, 60, 60]", "has no parent above it"),
        ("- [1, 1, 60, 60]", "- [1, 9, 60, 60]", "names no function of the list"),
        ("- [1, 1, 60, 60]", "- [1, 1, 60]", "at least 4 items"),
        ("module_of: [0, 1, 0]", "module_of: [0, 1]", "module_of has 2 entries for 3 functions"),
        ("module_of: [0, 1, 0]", "module_of: [0, 1, 2]", "each function has one module"),
        ("- ./app.py", "- /home/somebody/app.py", "String should match pattern"),
        ("samples: 100\n", "samples: 0\n", "at least one sample"),
        ("  errors: 0", "  errors: 0\n  failure: none", "either a failure or a graph"),
        ("- [1, 1, 60, 60]", "- [1, 1, 70, 60]", "109 samples in the node and its children, but 100 in all of it"),
        ("samples: 100\n", "samples: 99\n", "100 samples in the graph, but 99 were taken"),
        ("dropped_percent: 1.0", "dropped_percent: 3.0", "3 is given, but 1.00 % are missing"),
        ("total_percent: 29.0", "total_percent: 20.0", "29 % by itself is more than 20 % in all"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert any(words in message for message in changed(tmp_path, old, new))
