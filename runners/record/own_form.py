"""Reads files in the form in which `save` writes them, nearly twice as fast as PyYAML reads any YAML.

It refuses nothing and has no messages: a text in any other form is left to PyYAML. Whatever it reads, PyYAML gives the
same value; tests compare both on changed texts.

The form: block mappings and sequences, and on a line scalars that are plain or in single quotes, which more indented
lines continue. A list or mapping in brackets contains numbers, ``true``, ``false`` and ``null`` only. There is no
blank line, no tab, no double quote that begins a scalar, and no comment after the first lines.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Hashable, Sequence
from typing import Any

Meaning = Callable[[str], Any]
"""Gives the value of a scalar without quotes. Raises `ValueError` or `OverflowError` for a number that is refused."""

_entry_in = re.compile(r"([A-Za-z0-9_.][A-Za-z0-9_./+-]{0,200}|'(?:[^']|''){1,200}'):(?: (.+))?").fullmatch
"""A key and what follows it on its line, if anything."""
_FIRST_OF_PLAIN = frozenset(string.ascii_letters + string.digits + "/._(+<$~=")
"""Characters that can only begin a plain scalar; see also `_begins_plain`."""

_ITEM = r"(?:true|false|null|-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17}(?:e[-+][0-9]{1,3})?)?)"
"""A value that YAML and JSON write alike."""
_NAME = r"(?:(?!(?i:yes|no|on|off|true|false|null):)[A-Za-z_][A-Za-z0-9_./-]*|\.|'[^' \"\\]+')"
"""A key in brackets that is text in YAML."""
_is_list = re.compile(rf"\[(?:{_ITEM}(?:, {_ITEM})*)?\]").fullmatch
_is_mapping = re.compile(rf"\{{(?:{_NAME}: {_ITEM}(?:, {_NAME}: {_ITEM})*)?\}}").fullmatch
_from_json = json.JSONDecoder().raw_decode
_with_quoted_names = re.compile(r"([{ ])([A-Za-z_.][A-Za-z0-9_./-]*): ").sub


_AT_THE_END = (-1, "")


class _OtherFormError(Exception):
    """The text is not in our form."""


def read_own_form(raw: bytes, meaning: Meaning, *, max_depth: int) -> dict[Hashable, Any] | None:
    """The value of a document in the form of `save`; ``None`` for any other text.

    ``max_depth``: how deep mappings and sequences may be in each other.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    is_clear = text.endswith("\n") and "\n\n" not in text and " \n" not in text
    if not is_clear or not text.replace("\n", "").isprintable():
        return None
    lines = text.split("\n")
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    reader = _Reader(lines[first:], meaning, max_depth - 1)  # brackets are one level more
    try:
        value = reader.read_mapping(0, 1)
    except (_OtherFormError, ValueError, OverflowError):
        return None
    return value if reader.is_at_end else None


class _Reader:
    """Reads line after line.

    ``_text``: what is not yet read of the current line. ``_column``: where that begins, from 0; -1 after the last line.
    """

    def __init__(self, lines: Sequence[str], meaning: Meaning, max_depth: int) -> None:
        texts = [line.lstrip(" ") for line in lines]
        self._lines = iter([(len(line) - len(text), text) for line, text in zip(lines, texts, strict=True) if line])
        self._meaning = meaning
        self._max_depth = max_depth
        self._column, self._text = next(self._lines, _AT_THE_END)

    @property
    def is_at_end(self) -> bool:
        return self._column < 0

    def read_mapping(self, column: int, depth: int) -> dict[Hashable, Any]:
        """The mapping whose keys begin in this column, the first one at the current place."""
        if depth > self._max_depth:
            raise _OtherFormError
        found: dict[Hashable, Any] = {}
        while self._column == column and (entry := _entry_in(self._text)) is not None:
            name, rest = entry.groups()
            key = name[1:-1].replace("''", "'") if name[0] == "'" else self._meaning(name)
            if key in found:
                raise _OtherFormError
            found[key] = self._read_below(column, depth + 1) if rest is None else self._read_scalar(rest, column)
        if not found:
            raise _OtherFormError
        return found

    def _read_sequence(self, column: int, depth: int) -> list[Any]:
        """The sequence whose dashes are in this column, the first one at the current place."""
        if depth > self._max_depth:
            raise _OtherFormError
        found: list[Any] = []
        while self._column == column and self._text.startswith("- "):
            self._text = self._text[2:]
            self._column += 2
            if self._text.startswith("- "):
                found.append(self._read_sequence(column + 2, depth + 1))
            elif _entry_in(self._text) is not None:
                found.append(self.read_mapping(column + 2, depth + 1))
            else:
                found.append(self._read_scalar(self._text, column))
        return found

    def _read_below(self, column: int, depth: int) -> Any:
        """What is below a key in this column; the dashes of a sequence may be in the same one."""
        self._advance()
        if self._text.startswith("- ") and self._column >= column:
            return self._read_sequence(self._column, depth)
        if self._column > column:
            return self.read_mapping(self._column, depth)
        raise _OtherFormError

    def _read_scalar(self, text: str, column: int) -> Any:
        """A scalar, or brackets, that begin with ``text`` and go on in lines that are indented more than ``column``."""
        self._column, self._text = next(self._lines, _AT_THE_END)
        first = text[0]
        if first == "'":
            return self._read_quoted(text, column)
        if first in "[{":
            return self._read_row(text, column)
        if self._column > column:
            parts = [text]
            while self._column > column:
                parts.append(self._text)
                self._advance()
            text = " ".join(parts)
        if first not in _FIRST_OF_PLAIN and not _begins_plain(text):
            raise _OtherFormError
        if ": " in text or " #" in text or text[-1] == ":":
            raise _OtherFormError
        return self._meaning(text)

    def _read_quoted(self, text: str, column: int) -> str:
        parts, is_open = [text], text.count("'") % 2
        while is_open and self._column > column:
            parts.append(self._text)
            is_open = (is_open + self._text.count("'")) % 2
            self._advance()
        text = " ".join(parts)
        inner = text[1:-1]
        if is_open or text[-1] != "'" or "'" in inner.replace("''", ""):
            raise _OtherFormError
        return inner.replace("''", "'")

    def _read_row(self, text: str, column: int) -> list[Any] | dict[str, Any]:
        parts = [text]
        while parts[-1][-1] not in "]}" and self._column > column:
            parts.append(self._text)
            self._advance()
        text = " ".join(parts)
        if _is_list(text):
            items: list[Any] = _from_json(text)[0]
            return items
        if not _is_mapping(text):
            raise _OtherFormError
        if "'" in text:
            quoted = _with_quoted_names(r'\1"\2": ', text.replace("'", '"'))
        else:  # neither names nor values contain blanks
            quoted = text.replace("{", '{"').replace(": ", '": ').replace(", ", ', "') if len(text) > 2 else text
        found: dict[str, Any] = _from_json(quoted)[0]
        if len(found) != text.count(": "):
            raise _OtherFormError  # a key is there twice
        return found

    def _advance(self) -> None:
        self._column, self._text = next(self._lines, _AT_THE_END)


def _begins_plain(text: str) -> bool:
    """Whether a scalar without quotes can begin so, though not by a letter."""
    return text[0] > "\x7f" or (text[0] in "-?" and text[1:2] not in ("", " "))
