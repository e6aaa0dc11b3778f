"""What a machine may lack that tests need. The tests are then skipped with the reason.

Where ``CI`` is ``true`` they fail instead: nothing may be missing there, and nobody reads what was skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from packaging.specifiers import SpecifierSet

from runners.record.schema import BrokerName, Topology
from runners.serving.broker import BrokerError, BrokerProgram, find_broker
from runners.serving.deployment import StageError
from runners.serving.interpreter import RUNNING, InterpreterError, find_interpreter
from runners.serving.proxy import ProxyError, ProxyProgram, find_proxy
from runners.subjects.catalog import Framework, Variant

_NOT_LOADED = re.compile(r"\b(lib[\w.+-]+)\.so\.(\d+)(?:\.\d+)*: cannot open shared object file")
"""The message of dlopen(3) about a library of the system that is not there."""


def lack(reason: str) -> NoReturn:
    """End the test, because this machine lacks what it needs; the reason says what, and how to install it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def broker_program(name: BrokerName = "redis") -> BrokerProgram:
    """The broker of this name on this machine."""
    try:
        return find_broker(name)
    except BrokerError as error:
        lack(str(error))


def other_python() -> str:
    """A version of Python that is on this machine, is not the running one, and that our frameworks run on."""
    for version in ("3.13", "3.12", "3.14"):
        try:
            if find_interpreter(version) != RUNNING:
                return version
        except InterpreterError:
            continue
    lack("there is no other version of Python; install one with `uv python install 3.13`")


def allowed_python(framework: Framework) -> str:
    """A version of Python that the framework allows and that is on this machine; empty: the running one."""
    allowed = SpecifierSet(framework.requires_python)
    for version in ("", "3.12", "3.13", "3.14"):
        try:
            if allowed.contains(find_interpreter(version).version, prereleases=True):
                return version
        except InterpreterError:
            continue
    lack(f"{framework.slug} requires Python {framework.requires_python}; install one, as `uv python install 3.14` does")


def on_allowed_python(framework: Framework, variant: Variant) -> Variant:
    """The variant on a version of Python that its framework allows."""
    return variant.under(allowed_python(framework), variant.topology)


def proxy_program(topology: Topology) -> ProxyProgram:
    """The proxy of this topology."""
    try:
        return find_proxy(topology)
    except ProxyError as error:
        lack(str(error))


def check_libraries(log: str) -> None:
    """End the test if a program could not load a library of the system, as its output says."""
    if (found := _NOT_LOADED.search(log)) is not None:
        name, version = found.groups()
        # Debian's policy, chapter 8, names packages like this.
        package = f"{name}-{version}" if name[-1].isdigit() else f"{name}{version}"
        lack(f"the system has no {name}.so.{version}; install it, for example with `apt-get install {package}`")


@contextmanager
def serving(variant: Variant) -> Iterator[None]:
    """A block that starts a server of this variant; the test ends if the machine lacks what the server needs."""
    if variant.uses_broker:
        broker_program(variant.broker)
    try:
        yield
    except StageError as error:
        check_libraries("\n".join([str(error), *error.failure.log]))
        raise
