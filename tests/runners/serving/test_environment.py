"""Environments are created once from a lock with hashes, or refused with one sentence."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from runners.serving import environment
from runners.subjects import catalog
from tests.support.frameworks import describe

EMPTY_LOCK = "# nothing is needed\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environment, "HOME", tmp_path / "home")
    return tmp_path / "home"


def framework(tmp_path: Path, lock: str | None) -> catalog.Framework:
    path = describe(tmp_path)
    if lock is not None:
        (path / "requirements.txt").write_text(lock)
    return catalog.read_folder(path)


def test_an_environment_is_made_once_and_known_by_its_lock(tmp_path: Path) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    first = environment.prepare_environment(mine, mine.variants[0])
    assert first.resolve(["python", "app.py"]) == [str(first.bin / "python"), "app.py"]
    assert first.python_version.startswith("3.")
    made = (first.folder / "rtsite-packages.json").stat().st_mtime_ns
    assert environment.prepare_environment(mine, mine.variants[0]) == first
    assert (first.folder / "rtsite-packages.json").stat().st_mtime_ns == made
    (mine.folder / "requirements.txt").write_text("# another\n")
    assert environment.prepare_environment(mine, mine.variants[0]).folder != first.folder
    with pytest.raises(environment.InstallError, match="'uvicorn' is not in the environment"):
        first.resolve(["uvicorn"])


def test_what_an_interrupted_run_left_is_made_anew(tmp_path: Path) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    first = environment.prepare_environment(mine, mine.variants[0])
    (first.folder / "rtsite-packages.json").unlink()
    (first.folder / "bin" / "python").unlink()
    assert environment.prepare_environment(mine, mine.variants[0]).folder == first.folder
    assert (first.folder / "bin" / "python").exists()


def wheels(folder: Path) -> Path:
    """A folder to install from in the place of an index: it holds one empty package, called tiny."""
    folder.mkdir()
    with ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return folder


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        ("websockets==17.4\n", "hash"),
        ("tiny==1.0 --hash=sha256:" + "0" * 64 + "\n", "Hash mismatch for `tiny==1.0`"),
        ("this is no requirement\n", "requirements.txt"),
    ],
)
def test_a_lock_that_cannot_be_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, words: str
) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels(tmp_path / "wheels")))
    mine = framework(tmp_path, lock)
    with pytest.raises(environment.InstallError) as raised:
        environment.prepare_environment(mine, mine.variants[0])
    said = str(raised.value)
    assert said.startswith(f"{mine.folder / 'requirements.txt'}: its packages cannot be installed: ")
    assert words in said
    assert "\n" not in said


def test_a_missing_lock_names_the_command_that_makes_it(tmp_path: Path) -> None:
    mine = framework(tmp_path, None)
    with pytest.raises(
        environment.InstallError, match=r"requirements\.txt: cannot be read .* create it with `uv pip compile"
    ):
        environment.prepare_environment(mine, mine.variants[0])


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, home: Path) -> None:
    home.write_text("a file stands in the way")
    mine = framework(tmp_path, EMPTY_LOCK)
    with pytest.raises(environment.InstallError):
        environment.prepare_environment(mine, mine.variants[0])
