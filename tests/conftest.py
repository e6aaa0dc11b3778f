"""Which tests run side by side: two workers are as many as the machines that run them have cores."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that load servers in one worker, one after the other; the site's, file by file, beside them.

    Two that measure at once would spoil each other, and a file's browser is not started twice.
    """
    for item in items:
        file = item.path.relative_to(HERE)
        group = str(file) if file.parts[0] == "generator" else "measuring"
        item.add_marker(pytest.mark.xdist_group(group))
