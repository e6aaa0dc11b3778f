"""Reads our own lists in ``site/`` as strict models: what articles claim, what people ask in public."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runners.record import RtsiteError

AnyList = TypeVar("AnyList", bound=BaseModel)


def load_list(path: Path, model: type[AnyList], error: type[RtsiteError], what: str) -> AnyList:
    """Read a list; empty if the file does not exist. Raises ``error``, which names the file and what is wrong in it.

    ``what``: the name of the list where the problem is in no part of it.
    """
    if not path.is_file():
        return model()
    try:
        return model.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8: {problem.reason} at byte {problem.start}; save it as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise error(f"{path}: not valid YAML: {' '.join(str(problem).split())}") from None
    except ValidationError as problem:
        detail = problem.errors(include_url=False)[0]
        where = ".".join(str(step) for step in detail["loc"])
        raise error(f"{path}: {where or what}: {detail['msg'].removeprefix('Value error, ')}") from None
