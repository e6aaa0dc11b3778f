"""Which tests run side by side: two workers are as many as the machines that run them have cores."""

from __future__ import annotations

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is, not whether the property holds.
settings.register_profile("rtsite", deadline=None)
settings.load_profile("rtsite")

BESIDE = (
    "tests/generator/",
    "tests/runners/record/",
    "tests/runners/subjects/test_frameworks.py",
)
"""What may run beside a measurement: it loads no server."""


class OneMeasures(LoadScopeScheduling):  # type: ignore[misc]
    """All that load servers in one worker, one after the other; the others, file by file, beside them.

    Two that measure at once would spoil each other, and a file's browser is not started twice.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith(BESIDE) else "measuring"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneMeasures:
    return OneMeasures(config, log)
