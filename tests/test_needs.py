"""What a machine lacks ends a test that needs it: as a skip, or where CI is true as a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.record import RtsiteError
from runners.serving import broker
from runners.serving.deployment import StageError
from runners.serving.interpreter import Interpreter, InterpreterError
from runners.subjects import catalog
from runners.subjects.catalog import Variant
from tests.support import needs

LOADER = "OSError: cannot load library '/x/native.so': {0}: cannot open shared object file: No such file or directory"
UVICORN, REDIS, *_ = catalog.choose_frameworks(["fastapi"])[0].variants


@pytest.fixture(params=["true", "false", None])
def ended(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """How a test ends that lacks something."""
    if request.param is None:
        monkeypatch.delenv("CI", raising=False)
    else:
        monkeypatch.setenv("CI", request.param)
    outcome = pytest.fail if request.param == "true" else pytest.skip
    return outcome.Exception


def start(variant: Variant, log: str = "") -> None:
    with needs.serving(variant):
        if log:
            raise StageError("start", "the server ended at once", ["Traceback", log])


def test_without_a_broker_only_variants_that_use_it_are_left_out(
    ended: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_: str) -> broker.BrokerProgram:
        raise broker.BrokerError("no redis-server; install Redis")

    monkeypatch.setattr(needs, "find_broker", find_nothing)
    assert (UVICORN.uses_broker, REDIS.uses_broker) == (False, True)
    start(UVICORN)
    with pytest.raises(ended, match="install Redis"):
        start(REDIS)


@pytest.mark.parametrize(
    ("library", "package"),
    [("libuv.so.1", "libuv1"), ("libuv.so.1.0.0", "libuv1"), ("libdb5.so.3", "libdb5-3"), ("libb-c.so.2", "libb-c2")],
)
def test_a_library_of_the_system_that_is_not_there_is_named_with_its_package(
    ended: type[BaseException], library: str, package: str
) -> None:
    with pytest.raises(ended, match=rf"no lib\S+\.so\.\d; install it, for example with `apt-get install {package}`"):
        start(UVICORN, LOADER.format(library))


@pytest.mark.parametrize("log", ["ImportError: no module", LOADER.format("app.so"), "libuv.so.1: invalid ELF header"])
def test_other_errors_of_a_server_are_the_servers(log: str) -> None:
    with pytest.raises(StageError):
        start(UVICORN, log)
    needs.check_libraries(log)


def test_errors_of_the_block_pass() -> None:
    with pytest.raises(RtsiteError, match="mine"), needs.serving(UVICORN):
        raise RtsiteError("mine")


def test_a_framework_is_tested_on_a_python_that_it_allows(
    ended: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    (framework,) = catalog.choose_frameworks(["fastapi"])
    versions = {"": "3.11.7", "3.12": "3.12.1"}

    def find(version: str) -> Interpreter:
        if version not in versions:
            raise InterpreterError("not there")
        return Interpreter(Path(), versions[version], "")

    monkeypatch.setattr(needs, "find_interpreter", find)
    for required, version in (("", ""), (">=3.11", ""), (">=3.12", "3.12")):
        demanding = framework.model_copy(update={"requires_python": required})
        assert needs.allowed_python(demanding) == version
        assert needs.on_allowed_python(demanding, UVICORN).python == version
    with pytest.raises(ended, match=r"fastapi requires Python >=3\.13; install one"):
        needs.allowed_python(framework.model_copy(update={"requires_python": ">=3.13"}))
