"""Each command has one module with its name; commands share only options and output."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from generator.cli import commands_for
from tests.support.commands import ROOT

SHARED = {"adviser", "console", "options", "run_display", "site_options"}
MODULES = [path for half in ("runners", "generator") for path in (ROOT / half / "cli").glob("[!_]*.py")]


def commands() -> Iterator[tuple[str, Any]]:
    """Each command with the word that follows ``rtsite``."""
    group: Any = typer.main.get_command(commands_for([]))
    for name, command in group.commands.items():
        for leaf in getattr(command, "commands", {"": command}).values():
            yield name, leaf


def test_every_command_is_in_the_module_of_its_name() -> None:
    found = {(name, command.callback.__module__, command.callback.__name__) for name, command in commands()}
    assert len(found) > 20
    for name, module, function in found:
        assert module in (f"runners.cli.{name}", f"generator.cli.{name}"), function
        assert function.endswith("_command")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_a_command_imports_nothing_of_another_one(path: Path) -> None:
    allowed = SHARED | {"app", "ci_app"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and re.match(r"(runners|generator)\.cli\b", node.module or ""):
            module = (node.module or "").partition(".cli")[2].removeprefix(".")
            assert module in SHARED or {alias.name for alias in node.names} <= allowed, node.module
