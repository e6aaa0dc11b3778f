"""What a type checker knows of an app's imports: of the packages, not of the app's own annotations."""

from __future__ import annotations

import pytest

from runners.evidence.type_checking import types_finding
from runners.serving.environment import prepare_environment
from runners.subjects import catalog

pytestmark = pytest.mark.long


def test_another_package_declares_the_types() -> None:
    (framework,) = catalog.choose_frameworks(["flask-socketio"])
    assert framework.headline is not None
    found = types_finding(framework, framework.headline, prepare_environment(framework, framework.headline))
    assert found.value == 100.0
    assert found.note == "with types-flask-socketio"


@pytest.mark.parametrize(("slug", "share"), [("websockets", 100.0), ("socketify", 0.0)])
def test_the_share_of_names_with_a_type(slug: str, share: float) -> None:
    (framework,) = catalog.choose_frameworks([slug])
    (main, *_) = framework.variants
    found = types_finding(framework, main, prepare_environment(framework, main))
    assert found.value == share
    assert found.note is None or "socketify.App" in found.note
