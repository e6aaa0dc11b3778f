"""Reading and writing result documents: strict YAML in, atomic YAML out, errors with their place.

Accepted is a narrow YAML: block and flow collections of plain and quoted scalars. Anchors, aliases,
tags, duplicate keys, NaN and infinity are refused, and size and depth are bounded, because results
arrive from machines and pull requests that nobody vouches for.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runners.record.audit import audit
from runners.record.errors import InvalidError
from runners.record.evidence import EvidenceDocument
from runners.record.schema import FlameDocument, FrameworkDocument, RunDocument

AnyDocument = RunDocument | FrameworkDocument | FlameDocument | EvidenceDocument
EVIDENCE_FOLDER = "evidence"
"""Of a campaign: what was established beside its runs."""
FLAME_SUFFIX = ".flame.yml"
"""Ends the name of a framework's flame graphs; a slug has no dot, so no framework's own file ends so."""

MAX_BYTES = 8_000_000
"""A campaign of everything stays below 1 MB, so a file of eight is not one of ours."""
MAX_DEPTH = 16
"""The schema needs 9."""

_TEXT = "tag:yaml.org,2002:str"
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file; ``line`` and ``column`` count from 1."""

    path: Path
    line: int
    column: int
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class RecordError(InvalidError):
    """A result file cannot be used; ``problems`` holds each reason with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class _UnplainError(yaml.MarkedYAMLError):
    """YAML, but not of the narrow kind that is accepted."""

    def __init__(self, found: str, mark: Any) -> None:
        super().__init__(None, None, f"{found} is not allowed in a result file; write the value out", mark)


class _Loader(yaml.CSafeLoader):
    """Builds only the seven plain types, and no mapping with a key twice.

    What PyYAML does for every value in a general way is done here for what is left of YAML, and once for each text:
    reading years of results is mostly that.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._tags: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node; of a plain scalar by its text, of a quoted one always that of a text."""
        if kind is not yaml.ScalarNode:
            return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        if not implicit[0]:
            return _TEXT
        tag = self._tags.get(value)
        if tag is None:
            tag = self._tags[value] = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        return tag

    def construct_document(self, node: yaml.Node) -> Any:
        """The value of a whole document."""
        return self._value(node, 1)

    def _value(self, node: yaml.Node, depth: int) -> Any:
        if isinstance(node, yaml.ScalarNode):
            if node.tag == _TEXT:
                return node.value
            if node.value not in self._values:
                self._values[node.value] = self.construct_object(node)
            return self._values[node.value]
        if depth > MAX_DEPTH:
            raise _UnplainError(f"nesting deeper than {MAX_DEPTH}", node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(one, depth + 1) for one in node.value]
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self._value(key_node, depth + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "found unhashable key", key_node.start_mark)
            if key in mapping:
                said = f"the key {key!r} stands twice in one mapping; keep one"
                raise yaml.constructor.ConstructorError(None, None, said, key_node.start_mark)
            mapping[key] = self._value(value_node, depth + 1)
        return mapping


def load_run(path: Path) -> RunDocument:
    """Read a ``run.yml``; raises `RecordError`."""
    return _load(path, RunDocument)


def load_framework(path: Path) -> FrameworkDocument:
    """Read a ``<framework>.yml``; raises `RecordError`."""
    return _load(path, FrameworkDocument)


def load_flames(path: Path) -> FlameDocument:
    """Read a ``<framework>.flame.yml``; raises `RecordError`."""
    return _load(path, FlameDocument)


def load_evidence(path: Path) -> EvidenceDocument:
    """Read an ``evidence/<framework>.yml``; raises `RecordError`."""
    return _load(path, EvidenceDocument)


def problems_in(path: Path) -> list[Problem]:
    """Everything wrong with one result file, by its place; empty: nothing. Contradictions count too."""
    model: type[AnyDocument] = FrameworkDocument
    if path.name == "run.yml":
        model = RunDocument
    elif path.parent.name == EVIDENCE_FOLDER:
        model = EvidenceDocument
    elif path.name.endswith(FLAME_SUFFIX):
        model = FlameDocument
    try:
        data, raw = _parse(path)
        document = _validated(path, model, data, raw)
    except RecordError as error:
        return error.problems
    findings = list(audit(document))
    root = yaml.compose(raw, Loader=_Loader) if findings else None
    return [_located(path, root, finding.place, finding.message) for finding in findings]


def save(document: AnyDocument, path: Path) -> None:
    """Check the document and write it in one step: a reader sees the old file or the new one, whole.

    Raises `OSError` where the disk is full or the folder not writable; the old file then stands.
    """
    data = document.model_dump(exclude_defaults=True) | {
        name: getattr(document, name) for name in ("schema_version", "kind")
    }
    type(document).model_validate(data)
    text = _HEADER.format(kind=document.kind) + yaml.dump(
        _styled(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


DocumentType = TypeVar("DocumentType", bound=BaseModel)

_HEADER = "# Measured by rtsite; append-only. What the keys of this {kind} document mean stands on the data page.\n"


class _Row(list[Any]):
    """A list written on one line."""


class _Figures(dict[str, Any]):
    """A mapping written on one line."""


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Row, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)
_Dumper.add_representer(
    _Figures, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def _styled(value: Any) -> Any:
    """Flow style for rows of scalars, so that files stay small and a diff shows one line per figure group."""
    if isinstance(value, dict):
        styled = {key: _styled(item) for key, item in value.items()}
        return _Figures(styled) if _is_flat(styled.values()) else styled
    if isinstance(value, list):
        return _Row(value) if _is_flat(value) else [_styled(item) for item in value]
    return value


def _is_flat(items: Collection[Any]) -> bool:
    return bool(items) and all(item is None or isinstance(item, (int, float)) for item in items)


def _load(path: Path, model: type[DocumentType]) -> DocumentType:
    data, raw = _parse(path)
    return _validated(path, model, data, raw)


def _validated(path: Path, model: type[DocumentType], data: Any, raw: bytes) -> DocumentType:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RecordError(list(_invalidities(path, raw, error))) from None


def _parse(path: Path) -> tuple[Any, bytes]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecordError([Problem(path, 1, 1, f"cannot be read: {error.strerror}")]) from None
    if len(raw) > MAX_BYTES:
        raise RecordError([Problem(path, 1, 1, f"larger than {MAX_BYTES:,} bytes; a result file never is")])
    try:
        if _may_be_unplain(raw):
            _refuse_unplain(raw)
        return yaml.load(raw, Loader=_Loader), raw  # noqa: S506 - _Loader is a restricted CSafeLoader
    except _UnplainError as error:
        raise RecordError([_problem_at(path, error.problem_mark, str(error.problem))]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, [error.context, error.problem]))
        raise RecordError([_problem_at(path, mark, f"not valid YAML: {said}")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecordError([Problem(path, 1, 1, f"not valid YAML: {str(error).splitlines()[0]}")]) from None


_MARKS = re.compile(rb"[&*!\x00\xfe\xff]")
"""Of anchors, aliases and tags; and of encodings in which a character is no byte, where the rest here says nothing."""
_DEEP_BLOCK = re.compile(rb"[-?:\s]{500}")
_DEEP_FLOW = 500


def _may_be_unplain(raw: bytes) -> bool:
    """Whether there is any sign of anchors, aliases, tags, or of nesting that composing could not stand.

    Flow collections begin with a bracket each; of block collections at most two begin in a column, so deep ones have
    long runs of spaces and indicators, whatever ends a line. Most files have no such sign, and are not gone through by
    events, which costs a quarter of the reading.
    """
    return (
        _MARKS.search(raw) is not None
        or raw.count(b"[") + raw.count(b"{") > _DEEP_FLOW
        or _DEEP_BLOCK.search(raw) is not None
    )


def _refuse_unplain(raw: bytes) -> None:
    """Find anchors, aliases, tags and deep nesting by their parse events; a quoted ``&`` is none.

    libyaml composes by recursion in C, and 100,000 levels of nesting end the process.
    """
    depth = 0
    for event in yaml.parse(raw, Loader=yaml.CSafeLoader):
        found = None
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            found = f"the alias *{anchor}"
        elif anchor:
            found = f"the anchor &{anchor}"
        elif tag:
            found = f"the tag {tag}"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            found = f"nesting deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else None
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if found:
            raise _UnplainError(found, event.start_mark)


def _invalidities(path: Path, raw: bytes, error: ValidationError) -> Iterator[Problem]:
    """Each validation error at the line and column of the value it speaks of."""
    root = yaml.compose(raw, Loader=_Loader)
    for detail in error.errors(include_url=False):
        found = detail["input"]
        shown = f", found {found!r:.60}" if isinstance(found, (str, int, float, bool)) else ""
        message = detail["msg"].removeprefix("Value error, ")
        hint = "; write it in quotes" if detail["type"] == "string_type" and shown else ""
        yield _located(path, root, detail["loc"], f"{message}{shown}{hint}")


def _located(path: Path, root: yaml.Node | None, steps: Iterable[str | int], message: str) -> Problem:
    """A problem with the value that ``steps`` lead to, or with the nearest one above it that is there."""
    node, place = root, ""
    for step in steps:
        child = _child(node, step)
        if child is None:
            place = f"{place}.{step}" if isinstance(step, str) and place else place or str(step)
            break
        node = child
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    mark = node.start_mark if node is not None else None
    return _problem_at(path, mark, f"{place or 'document'}: {message}")


def _problem_at(path: Path, mark: Any, message: str) -> Problem:
    return Problem(path, mark.line + 1, mark.column + 1, message) if mark else Problem(path, 1, 1, message)


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None
