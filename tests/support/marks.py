"""Parameters of tests of which a few stand for all in the default suite, and the rest run with `-m matrix`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")


def few_of(values: Iterable[T], usual: Collection[str], name_of: Callable[[T], str] = str) -> list[ParameterSet]:
    """One parameter per value, with its name as ID. Those whose names are not in ``usual`` are of the matrix.

    Raises `ValueError` if a usual name is no value's, so that a renamed one does not silently leave the suite.
    """
    named = {name_of(value): value for value in values}
    if gone := set(usual) - set(named):
        raise ValueError(f"no parameter is named {min(gone)!r}; there are {', '.join(named)}")
    return [
        pytest.param(value, id=name, marks=() if name in usual else pytest.mark.matrix) for name, value in named.items()
    ]
