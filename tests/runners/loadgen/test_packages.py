"""The packages listed in result files are those that the load generator imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from runners import loadgen


def test_the_published_packages_are_the_imported_ones() -> None:
    imported = set()
    for module in Path(loadgen.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    assert imported - set(sys.stdlib_module_names) - {"runners"} == set(loadgen.PACKAGES)
