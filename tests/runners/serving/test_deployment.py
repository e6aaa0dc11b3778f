"""What a deployment does while its server is busy."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from runners import resources
from runners.serving import deployment
from runners.serving.deployment import StageError, serve_variant
from runners.serving.server import Server
from runners.subjects.catalog import Framework


def test_a_server_is_checked_once_it_answers_after_a_load(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    checked: list[bool] = []

    def verify(_: Server, __: Collection[str]) -> None:
        checked.append(goes_on.is_set())

    with serve_variant(reference, reference.variants[0], logs=tmp_path) as serving:
        monkeypatch.setattr(Server, "verify", verify)
        pid = serving.server.child.pid
        resources.pause_tree(pid)

        def go_on() -> None:
            goes_on.set()
            resources.resume_tree(pid)

        timer = threading.Timer(0.5, go_on)
        timer.start()
        try:
            serving.recheck({"health"})
        finally:
            timer.join()
    assert checked == [True]


def test_a_server_that_does_not_answer_after_a_load_has_failed(
    reference: Framework, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "SETTLING_S", 0.1)
    with serve_variant(reference, reference.variants[0], logs=tmp_path) as serving:
        resources.pause_tree(serving.server.child.pid)
        try:
            with pytest.raises(StageError, match=r"nothing answered on http://127\.0\.0\.1:\d+ within 0\.1 s$"):
                serving.recheck({"health"})
        finally:
            resources.resume_tree(serving.server.child.pid)
