"""A new framework's folder is a copy of an existing one under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.record import UsageError
from runners.subjects import catalog, scaffold


@pytest.fixture(scope="module")
def reference() -> catalog.Framework:
    return next(framework for framework in catalog.discover() if framework.reference)


def test_the_folder_is_a_copy_under_its_own_name(reference: catalog.Framework, tmp_path: Path) -> None:
    made = catalog.read_folder(scaffold.create_folder("my-own", reference, tmp_path))
    assert (made.slug, made.title, made.reference) == ("my-own", "my-own", False)
    assert made.sources.keys() == reference.sources.keys()
    assert made.app_sha256 == reference.app_sha256
    assert 'name = "rtsite-my-own"' in (made.folder / "pyproject.toml").read_text()
    assert "my-own" in (made.folder / "notes.md").read_text()
    assert not any(variant.quickstart for variant in made.variants)
    assert [variant.title for variant in made.variants] == [variant.title for variant in reference.variants]


def test_an_opinion_about_the_original_is_not_copied(tmp_path: Path) -> None:
    (original,) = catalog.choose_frameworks(["starlette"])
    assert original.choose is not None
    made = catalog.read_folder(scaffold.create_folder("mine", original, tmp_path))
    assert made.choose is None


@pytest.mark.parametrize("name", ["", "My Own", "../out", "a/b", "-x", "Ä", "x" * 60])
def test_a_name_that_will_not_do_is_refused(reference: catalog.Framework, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name"):
        scaffold.create_folder(name, reference, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(reference: catalog.Framework, tmp_path: Path) -> None:
    scaffold.create_folder("mine", reference, tmp_path)
    (tmp_path / "mine" / "app.py").write_text("precious")
    with pytest.raises(UsageError, match="already exists"):
        scaffold.create_folder("mine", reference, tmp_path)
    assert (tmp_path / "mine" / "app.py").read_text() == "precious"
