"""Environments are created once from a lock with hashes, or refused with one sentence."""

from __future__ import annotations

import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from runners.record import UnavailableError
from runners.serving import environment
from runners.serving.interpreter import Interpreter
from runners.subjects import catalog
from tests.support import needs
from tests.support.frameworks import DESCRIBED, describe, wheel_for_this_python_alone

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
    ("lock", "words", "unavailable"),
    [
        ("websockets==17.4\n", "hash", False),
        ("tiny==1.0 --hash=sha256:" + "0" * 64 + "\n", "Hash mismatch for `tiny==1.0`", True),
        ("tiny==2.0 --hash=sha256:" + "0" * 64 + "\n", "no version of tiny==2.0", True),
        ("big==2.0 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via mine\n", "no version of big==2.0", True),
        ("this is no requirement\n", "requirements.txt", False),
    ],
)
def test_a_lock_that_cannot_be_installed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, words: str, unavailable: bool
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
    assert isinstance(raised.value, UnavailableError) is unavailable


def test_a_missing_lock_names_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = framework(tmp_path / "two words", None)
    with pytest.raises(environment.InstallError, match=r"requirements\.txt: cannot be read") as raised:
        environment.prepare_environment(mine, mine.variants[0])
    (command,) = re.findall(r"`uv (.*)`", str(raised.value))
    (mine.folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "0"\n' + DESCRIBED)
    monkeypatch.chdir("/")
    subprocess.run([find_uv_bin(), *shlex.split(command), "--offline"], check=True, capture_output=True)
    assert environment.prepare_environment(mine, mine.variants[0]).packages == {}
    (mine.folder / "requirements.txt").unlink()
    with pytest.raises(environment.InstallError, match="--extra fast"):
        environment.prepare_environment(mine, mine.variants[1])


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, home: Path) -> None:
    home.write_text("a file stands in the way")
    mine = framework(tmp_path, EMPTY_LOCK)
    with pytest.raises(environment.CannotInstallError, match="set the environment variable RTSITE_HOME"):
        environment.prepare_environment(mine, mine.variants[0])


@pytest.mark.parametrize("required", [">=3.99", "<3", "==2.7.*"])
def test_a_python_that_this_machine_does_not_run(tmp_path: Path, required: str) -> None:
    path = describe(tmp_path, f'[project]\nrequires-python = "{required}"\n{DESCRIBED}')
    (path / "requirements.txt").write_text(EMPTY_LOCK)
    mine = catalog.read_folder(path)
    with pytest.raises(environment.CannotInstallError, match="requires Python"):
        environment.prepare_environment(mine, mine.variants[0])


@pytest.mark.parametrize("name", ["two words", "größe", "it's $HOME"])
def test_the_path_may_have_any_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(environment, "HOME", tmp_path / name)
    mine = framework(tmp_path / f"app {name}", EMPTY_LOCK)
    installed = environment.prepare_environment(mine, mine.variants[0])
    assert installed.folder.is_relative_to(tmp_path / name)


def test_several_that_prepare_one_environment_wait_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    created: list[Path] = []
    really = environment.create_environment

    def create(folder: Path, lock: Path, _interpreter: Interpreter) -> None:
        assert not folder.exists(), "nothing is deleted that another one makes"
        created.append(folder)
        really(folder, lock)

    monkeypatch.setattr(environment, "create_environment", create)
    with ThreadPoolExecutor(4) as pool:  # a lock belongs to an open file, so threads wait like processes
        made = list(pool.map(lambda _: environment.prepare_environment(mine, mine.variants[0]), range(4)))
    assert (len(created), len({one.folder for one in made})) == (1, 1)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_damaged_facts_are_made_anew(tmp_path: Path, text: str) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    first = environment.prepare_environment(mine, mine.variants[0])
    (first.folder / "rtsite-packages.json").write_text(text)
    assert environment.prepare_environment(mine, mine.variants[0]) == first


def test_an_environment_without_its_interpreter_is_made_anew(tmp_path: Path) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    first = environment.prepare_environment(mine, mine.variants[0])
    python = first.bin / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert environment.prepare_environment(mine, mine.variants[0]) == first
    assert python.exists()


def test_a_moved_environment_is_not_used(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = framework(tmp_path, EMPTY_LOCK)
    first = environment.prepare_environment(mine, mine.variants[0])
    home.rename(tmp_path / "moved")
    monkeypatch.setattr(environment, "HOME", tmp_path / "moved")
    assert environment.prepare_environment(mine, mine.variants[0]).folder.name != first.folder.name


def test_a_python_for_which_a_package_has_no_wheel_is_one_sentence(tmp_path: Path) -> None:
    other = needs.other_python()
    mine = framework(tmp_path, wheel_for_this_python_alone(tmp_path / "wheels"))
    variant = mine.variants[0]
    assert environment.prepare_environment(mine, variant).packages["only-here"] == "1.0"
    with pytest.raises(environment.CannotInstallError) as raised:
        environment.prepare_environment(mine, variant.under(other, "direct"))
    assert str(raised.value) == (
        f"{mine.folder / 'requirements.txt'}: only-here has no wheel for Python {other}, and cannot be built here;"
        " choose another version with --python, or lock a release that has one"
    )
