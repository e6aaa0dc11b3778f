"""The docstrings of the fields of documents, for JSON Schema and for the documentation.

pydantic can read them too, but does so whenever a class is defined, which would take a tenth of a second of every
command.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel


def docstrings_of(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field of a model, by the field's name. Fields without one are left out."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        found |= _docstrings_in(one.__module__).get(one.__qualname__, {})
    return {name: found[name] for name in model.model_fields if name in found}


def json_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model, with the docstrings of its fields and of those of all models in it."""
    schema = model.model_json_schema()
    parts = {one.__name__: one for one in models_below(model)}
    described = {**schema.get("$defs", {}), model.__name__: schema}
    for name, part in described.items():
        if name in parts:
            for field, docstring in docstrings_of(parts[name]).items():
                part["properties"][field]["description"] = docstring
    return schema


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all models in its fields."""
    found: set[type[BaseModel]] = set()
    waiting = [model]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [inner for field in one.model_fields.values() for inner in models_in(field.annotation)]
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in the annotation of a field."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


@cache
def _docstrings_in(module: str) -> dict[str, dict[str, str]]:
    """The docstrings of the fields of each class at the top of a module."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_docstrings_below(node.body))
    return found


def _docstrings_below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                yield name, inspect.cleandoc(docstring)
