"""Commands in messages work as printed, from the folder where the user is."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from generator.cli import commands_for
from runners.campaign import planning
from runners.cli.run_display import RunDisplay
from runners.record import as_argument, as_command
from runners.subjects import catalog
from runners.subjects.profiles import PROFILES
from runners.subjects.workloads import ECHO
from tests.support.commands import ROOT, Shell
from tests.support.frameworks import describe

NAMES = ["mine", "two words", "it's", "größe", "$HOME", "a;b", "-x", "~", "*"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_one_word_for_a_shell_and_never_an_option_or_a_name(name: str) -> None:
    for path in (Path(name), Path("up", name), Path("..", name), Path("/", name), Path()):
        (word,) = shlex.split(as_argument(path))
        assert Path(word) == path
        assert word.startswith((".", "/"))
    assert shlex.split(as_command("run", "--resume", Path(name))) == ["rtsite", "run", "--resume", f"./{name}"]


def printed() -> Iterator[tuple[str, str]]:
    """Each `rtsite` command between backticks in a message of our sources: its place and its words."""
    for half in ("runners", "generator"):
        for path in sorted((ROOT / half).rglob("*.py")):
            tree = ast.parse(path.read_text()) if "frameworks" not in path.parts else ast.Module([], [])
            texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
                    for command in re.findall(r"`rtsite ([^`]*)`", node.value):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", command
                if isinstance(node, ast.JoinedStr):
                    written = ast.unparse(node)
                    assert not re.search(r"`rtsite [^`]*\{", written), f"{path}:{node.lineno}: use as_command"


def test_every_printed_command_exists_with_its_options() -> None:
    found = list(printed())
    assert found
    for place, command in found:
        step: Any = typer.main.get_command(commands_for([]))
        for word in shlex.split(command):
            if word.startswith("-"):
                assert word in {option for parameter in step.params for option in parameter.opts}, (place, command)
            elif hasattr(step, "commands"):
                assert word in step.commands, (place, command)
                step = step.commands[word]


@pytest.mark.parametrize("name", ["two words", "größe", "-x"])
def test_what_new_framework_prints(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    for number, (where, folder) in enumerate(((home, "."), (tmp_path, f"./{name}"), (tmp_path, home))):
        monkeypatch.chdir(where)
        made = shell.rtsite("new", "framework", f"mine{number}", "--folder", folder)
        assert made.returncode == 0, made.stderr
        program, command, argument = shlex.split(made.stdout)
        assert (program, command) == ("rtsite", "check")
        assert catalog.choose_frameworks([argument])[0].folder == home / f"mine{number}"
        (locking,) = re.findall(r"`rtsite (ci lock .*?)`", made.stderr)
        assert shlex.split(locking) == ["ci", "lock", argument]


def test_what_an_interrupted_run_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = catalog.read_folder(describe(tmp_path / "two words"))
    ours = catalog.choose_frameworks(["fastapi/uvicorn"])
    plan = planning.plan_run([mine, *ours], [ECHO], PROFILES["quick"], 1)
    monkeypatch.chdir(tmp_path)
    display = RunDisplay(["--flame"])
    display.started(Path("the results", "run"), 0, plan)
    display.__exit__(KeyboardInterrupt)
    (command,) = re.findall(r"`(rtsite run .*?)` continues", capsys.readouterr().err)
    words = ["--resume", f".{os.sep}the results/run", "--framework", str(mine.folder), "--flame"]
    assert shlex.split(command) == ["rtsite", "run", *words]
