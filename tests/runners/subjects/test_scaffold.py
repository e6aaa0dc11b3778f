"""A new framework's folder is a copy of an existing one under its own name."""

from __future__ import annotations

import re
import tomllib
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
    assert reference.headline is not None
    assert [variant.title for variant in made.variants] == [reference.headline.title]


def test_a_copy_has_the_exchanges_that_its_variant_is_measured_under(
    reference: catalog.Framework, tmp_path: Path
) -> None:
    assert reference.headline is not None
    kept = reference.exchanges_of(reference.headline)
    assert set(kept) < set(reference.exchanges)
    made = catalog.read_folder(scaffold.create_folder("mine", reference, tmp_path))
    assert [made.exchanges, *(variant.exchanges for variant in made.variants)] == [kept, None]


def test_an_opinion_about_the_original_is_not_copied(tmp_path: Path) -> None:
    (original,) = catalog.choose_frameworks(["starlette"])
    assert original.choose is not None
    made = catalog.read_folder(scaffold.create_folder("mine", original, tmp_path))
    assert made.choose is None


def requirements(folder: Path, variant: catalog.Variant | None) -> set[str]:
    """What a variant needs, by the project file."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert variant is not None
    extra = project["optional-dependencies"][variant.extra] if variant.extra else []
    return {*project["dependencies"], *extra}


@pytest.mark.parametrize("slug", [one.slug for one in catalog.discover() if not one.reference])
def test_a_copy_has_the_headline_variant_alone_and_what_it_needs(slug: str, tmp_path: Path) -> None:
    (original,) = catalog.choose_frameworks([slug])
    made = catalog.read_folder(scaffold.create_folder("mine", original, tmp_path))
    assert original.headline is not None
    (variant,) = made.variants
    assert variant == original.headline.model_copy(update={"quickstart": False, "extra": None})
    assert [path.name for path in made.folder.glob("requirements*.txt")] == ["requirements.txt"]
    lock = (original.folder / original.headline.requirements_name()).read_text()
    assert (made.folder / "requirements.txt").read_text() == lock
    needed, locked = (requirements(one.folder, one.headline) for one in (made, original))
    assert needed == locked
    modules = {path.stem for path in made.folder.glob("*.py")}
    for path in made.folder.glob("*.py"):
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        missing = imported & {other.stem for other in original.folder.glob("*.py")} - modules
        assert not missing, path.name
    assert all((made.folder / word).is_file() for word in variant.publisher or () if word.endswith(".py"))
    if len(original.variants) == 1:
        assert made.sources.keys() == original.sources.keys()


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
