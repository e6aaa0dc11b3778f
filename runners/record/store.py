"""Reading and writing result documents: strict YAML in, atomic YAML out, errors with their place. It reads files of
users too.

Accepted is a narrow YAML: block and flow collections of plain and quoted scalars. Anchors, aliases,
tags, duplicate keys, NaN and infinity are refused, and size and depth are bounded, because results
come from machines and pull requests that we do not know.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runners.record.audit import find_contradictions
from runners.record.docstrings import models_in
from runners.record.errors import InvalidError, nearest_names
from runners.record.evidence import EvidenceDocument
from runners.record.naming import EVIDENCE_FOLDER, FLAME_SUFFIX
from runners.record.own_form import read_own_form
from runners.record.schema import FlameDocument, FrameworkDocument, RunDocument

AnyDocument = RunDocument | FrameworkDocument | FlameDocument | EvidenceDocument

MAX_BYTES = 8_000_000
"""A document of a full campaign is below 1 MB."""
MAX_DEPTH = 16
"""The schema needs 9."""

MAX_DIGITS = 40
"""Digits of a number; a timestamp in nanoseconds has 19, a float 17."""

DocumentType = TypeVar("DocumentType", bound=BaseModel)

_NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}


@dataclass(frozen=True)
class Problem:
    """One fault of a file; ``line`` and ``column`` count from 1."""

    path: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class RecordError(InvalidError):
    """A result file cannot be used; ``problems`` holds each reason with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class _UnplainError(yaml.MarkedYAMLError):
    """Valid YAML, but not of the narrow kind that is accepted."""

    def __init__(self, found: str, mark: Any) -> None:
        super().__init__(None, None, f"{found} is not allowed here; write the value out", mark)


_is_decimal = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch
"""Numbers as we write them. PyYAML reads all others, such as 0x1F, 1_000 and 010."""


class _Loader(yaml.CSafeLoader):
    """Builds the value of a document from its parse events. Only plain kinds, and no key twice in a mapping.

    It skips the tree of nodes that PyYAML makes in between, which takes most of the time of reading years of results.
    The tree is not safe either: libyaml makes it by recursion in C, and 100,000 levels of nesting end the process.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _PLAIN_TAGS]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._next: Callable[[], Any] = self.get_event

    def get_single_data(self) -> Any:
        """The value of the only document; ``None`` where there is none."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), 1)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise yaml.composer.ComposerError(None, None, "a second document begins here; keep one", event.start_mark)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        if event.anchor is not None:
            said = "the alias *" if isinstance(event, yaml.AliasEvent) else "the anchor &"
            raise _UnplainError(f"{said}{event.anchor}", event.start_mark)
        if event.tag is not None:
            raise _UnplainError(f"the tag {event.tag}", event.start_mark)
        kind = event.__class__
        if kind is yaml.ScalarEvent:
            try:
                return _meaning(event.value) if event.implicit[0] else event.value
            except (ValueError, OverflowError):
                raise _UnplainError(f"the number {event.value:.40}", event.start_mark) from None
        if depth > MAX_DEPTH:
            raise _UnplainError(f"nesting deeper than {MAX_DEPTH}", event.start_mark)
        return self._list(depth + 1) if kind is yaml.SequenceStartEvent else self._mapping(depth + 1)

    def _list(self, depth: int) -> list[Any]:
        found = []
        while (event := self._next()).__class__ is not yaml.SequenceEndEvent:
            found.append(self._value(event, depth))
        return found

    def _mapping(self, depth: int) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        event: Any
        while (event := self._next()).__class__ is not yaml.MappingEndEvent:
            key = self._value(event, depth)
            if isinstance(key, (list, dict)):
                raise yaml.constructor.ConstructorError(None, None, "found unhashable key", event.start_mark)
            if key in found:
                said = f"the key {key!r} appears twice in one mapping; keep one"
                raise yaml.constructor.ConstructorError(None, None, said, event.start_mark)
            found[key] = self._value(self._next(), depth)
        return found


_words = _Loader(b"")


@lru_cache(maxsize=16_384)
def _meaning(text: str) -> str | int | float | bool | None:
    """The value of a scalar without quotes, cached because years of results repeat the same keys.

    Raises `ValueError` or `OverflowError` for a number that is too long: Python prints none of 5,000 digits.
    """
    if _is_decimal(text):  # half of a result file; PyYAML takes ten times as long for the same number
        if len(text) > MAX_DIGITS:
            raise ValueError
        return float(text) if "." in text else int(text)
    tag = _words.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if len(text) > MAX_DIGITS and tag in _NUMBER_TAGS:
        raise ValueError
    meant: str | int | float | bool | None = _words.yaml_constructors[tag](_words, yaml.ScalarNode(tag, text))
    return meant


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


class Fault(NamedTuple):
    """What is wrong with a value in a file; ``place`` is its path of keys and indexes."""

    place: tuple[str | int, ...]
    message: str


def load_strictly(
    path: Path,
    model: type[DocumentType],
    faults_of: Callable[[DocumentType], Iterable[Fault]] = lambda _: (),
) -> DocumentType:
    """Read a file that a user has written, in the same narrow YAML; raises `RecordError`.

    ``faults_of``: what else is wrong with a document.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RecordError([Problem(path, 1, 1, f"cannot be read: {error.strerror}")]) from None
    document = _validated(path, model, _meant(path, raw), raw)
    if faults := list(faults_of(document)):
        root = yaml.compose(raw, Loader=yaml.CSafeLoader)
        raise RecordError([_located(path, root, one.place, one.message) for one in faults])
    return document


def read_plain(path: Path) -> tuple[AnyDocument, Any, bytes]:
    """The document of a result file, its content as plain values, and its bytes.

    Raises `RecordError` with all that `read_checked` finds.
    """
    return _checked(path)


def as_document(path: Path, plain: Any) -> AnyDocument:
    """The document of a content that `read_plain` has read, of the kind that the file's name says.

    Raises `RecordError`, because the content may be of another kind.
    """
    model = _model_of(path)
    try:
        return model.model_validate(plain)
    except ValidationError:
        return _load(path, model)


def problems_in(path: Path) -> list[Problem]:
    """All problems of one result file, contradictions included, each with its place; empty: none."""
    found = read_checked(path)
    return list(found) if isinstance(found, tuple) else []


def read_checked(path: Path) -> AnyDocument | tuple[Problem, ...]:
    """The document of a file whose values agree with each other, or every problem of it with its place."""
    try:
        document, _, _ = _checked(path)
    except RecordError as error:
        return tuple(error.problems)
    return document


def save(document: AnyDocument, path: Path) -> None:
    """Check the document and write it atomically: a reader sees the old file or the new one, never a part.

    Raises `OSError` where the disk is full or the folder not writable; the old file is then unchanged.
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


_HEADER = "# Measured by rtsite; append-only. The data page describes the keys of this {kind} document.\n"


class _Row(list[Any]):
    """A list written on one line."""


class _Values(dict[str, Any]):
    """A mapping written on one line."""


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Row, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)
_Dumper.add_representer(
    _Values, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def _styled(value: Any) -> Any:
    """Flow style for rows of scalars, so that files stay small and a diff shows one line per group of values."""
    if isinstance(value, dict):
        styled = {key: _styled(item) for key, item in value.items()}
        return _Values(styled) if _is_flat(styled.values()) else styled
    if isinstance(value, list):
        return _Row(value) if _is_flat(value) else [_styled(item) for item in value]
    return value


def _is_flat(items: Collection[Any]) -> bool:
    return bool(items) and all(item is None or isinstance(item, (int, float)) for item in items)


def _model_of(path: Path) -> type[AnyDocument]:
    if path.parent.name == EVIDENCE_FOLDER:
        return EvidenceDocument
    if path.name == "run.yml":
        return RunDocument
    return FlameDocument if path.name.endswith(FLAME_SUFFIX) else FrameworkDocument


def _load(path: Path, model: type[DocumentType]) -> DocumentType:
    plain, raw = _parse(path)
    return _validated(path, model, plain, raw)


def _checked(path: Path) -> tuple[AnyDocument, Any, bytes]:
    """The document of a file whose values agree with each other, its plain values, and its bytes."""
    plain, raw = _parse(path)
    document: AnyDocument = _validated(path, _model_of(path), plain, raw)
    if findings := list(find_contradictions(document)):
        root = yaml.compose(raw, Loader=yaml.CSafeLoader)
        raise RecordError([_located(path, root, one.place, one.message) for one in findings])
    return document, plain, raw


def _validated(path: Path, model: type[DocumentType], plain: Any, raw: bytes) -> DocumentType:
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        raise RecordError(list(_invalidities(path, model, raw, error))) from None


def _parse(path: Path) -> tuple[Any, bytes]:
    raw = _content(path)
    if len(raw) > MAX_BYTES:
        raise RecordError([Problem(path, 1, 1, f"larger than {MAX_BYTES:,} bytes; a result file never is")])
    return _meant(path, raw), raw


def _meant(path: Path, raw: bytes) -> Any:
    """The plain value of a file with this content."""
    own = read_own_form(raw, _meaning, max_depth=MAX_DEPTH)
    if own is not None:
        return own
    try:
        return yaml.load(raw, Loader=_Loader)  # noqa: S506 - _Loader is a restricted CSafeLoader
    except _UnplainError as error:
        raise RecordError([_problem_at(path, error.problem_mark, str(error.problem))]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, [error.context, error.problem]))
        if mark is not None and _is_tab(raw, mark):
            said = "a tab, with which nothing can begin here; indent by blanks"
        raise RecordError([_problem_at(path, mark, f"not valid YAML: {said}")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecordError([Problem(path, 1, 1, f"not valid YAML: {str(error).splitlines()[0]}")]) from None


def _content(path: Path) -> bytes:
    """The first `MAX_BYTES` and one more of a file. Without waiting for the other end of a pipe, and without following
    a link, since what it leads to is not among the results.
    """
    if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
        raise RecordError([Problem(path, 1, 1, "is neither a file nor a folder; replace it by the result file itself")])
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecordError([Problem(path, 1, 1, f"cannot be read: {error.strerror}")]) from None


def _invalidities(path: Path, model: type[BaseModel], raw: bytes, error: ValidationError) -> Iterator[Problem]:
    """Each validation error, at the line and column of its value."""
    root = yaml.compose(raw, Loader=yaml.CSafeLoader)
    for detail in error.errors(include_url=False):
        found = detail["input"]
        shown = f", found {found!r:.60}" if isinstance(found, (str, int, float, bool)) else ""
        message = detail["msg"].removeprefix("Value error, ")
        is_quotable = detail["type"] == "string_type" and found is not None
        if detail["type"] in _PLAIN_WORDS:
            message = _PLAIN_WORDS[detail["type"]].format("VALUE" if isinstance(found, (dict, list)) else found)
        if detail["type"] == "extra_forbidden":
            message, shown = f"unknown key: {nearest_names(str(detail['loc'][-1]), _keys_at(model, detail['loc']))}", ""
        yield _located(path, root, detail["loc"], f"{message}{shown}{'; write it in quotes' if is_quotable else ''}")


_PLAIN_WORDS = {
    **dict.fromkeys(("model_type", "dict_type"), "expected keys with values, one a line, such as `key: value`"),
    "list_type": "expected a list, each item after a dash, such as `- {}`",
}
"""What was expected instead of another type, by the name that Pydantic has for the error."""


def _is_tab(raw: bytes, mark: Any) -> bool:
    """Whether a tab is at this place of a file."""
    lines = raw.decode("utf-8", "replace").splitlines()
    return bool(mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t")


def _keys_at(model: type[BaseModel], steps: Iterable[str | int]) -> list[str]:
    """The keys of the innermost model on the way to a value."""
    for step in steps:
        field = model.model_fields.get(str(step))
        model = next(models_in(field.annotation), model) if field is not None else model
    return list(model.model_fields)


def _located(path: Path, root: yaml.Node | None, steps: Iterable[str | int], message: str) -> Problem:
    """A problem with the value at ``steps``, or with the nearest existing value above it."""
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
