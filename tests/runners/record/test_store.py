"""Result files: what is written can be read back, and no other content is accepted."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runners.record import (
    Capacity,
    CapacityProbe,
    Failure,
    FrameworkDocument,
    Percentiles,
    PublishedMessages,
    RecordError,
    Streams,
    load_framework,
    load_run,
    problems_in,
    save,
)
from runners.record.store import MAX_BYTES, MAX_DEPTH, _Loader
from tests.support.documents import (
    capacity,
    capacity_measurement,
    failed,
    framework_document,
    measurement,
    messages,
    run_document,
)

texts = st.text(st.characters(codec="utf-8"), max_size=200)


def written(path: Path, document: FrameworkDocument | None = None) -> str:
    save(document or framework_document(), path)
    return path.read_text(encoding="utf-8")


def changed(path: Path, old: str, new: str) -> str:
    """Replace the first occurrence in a good file; gives the place the new text starts at, as line:column."""
    text = written(path)
    before, found, after = text.partition(old)
    assert found, old
    path.write_text(before + new + after, encoding="utf-8")
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def places(path: Path) -> list[str]:
    return [f"{problem.line}:{problem.column}" for problem in problems_in(path)]


# Round trips


def test_documents_come_back_as_they_were_written(tmp_path: Path) -> None:
    run, framework = run_document(), framework_document()
    save(run, tmp_path / "run.yml")
    save(framework, tmp_path / "fastapi.yml")
    assert load_run(tmp_path / "run.yml") == run
    assert load_framework(tmp_path / "fastapi.yml") == framework
    assert problems_in(tmp_path / "run.yml") == problems_in(tmp_path / "fastapi.yml") == []


@given(
    reason=texts,
    log=st.lists(texts, max_size=4),
    version=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9.+!_-]{0,20}\Z"),
    parameter=st.one_of(
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.from_regex(r"\A[A-Za-z0-9._-]{1,20}\Z"),
    ),
)
@settings(deadline=None)
def test_any_text_and_any_number_come_back(
    tmp_path_factory: pytest.TempPathFactory, reason: str, log: list[str], version: str, parameter: float | str
) -> None:
    document = framework_document(failed(reason, log))
    variant = document.variants[0].model_copy(update={"packages": {"on": version}, "python": version})
    cell = document.cells[0].model_copy(update={"parameters": {"rate": parameter, "y": "no"}})
    document = document.model_copy(update={"variants": [variant], "cells": [cell]})
    path = tmp_path_factory.mktemp("any") / "fastapi.yml"
    save(document, path)
    assert load_framework(path) == document


ends = st.one_of(st.none(), st.integers(1, 10**9))
amounts = st.floats(0, 1e9, allow_nan=False)


@given(
    low=ends,
    high=ends,
    unit=st.sampled_from(["messages_per_s", "users"]),
    reason=texts,
    probes=st.lists(
        st.builds(
            CapacityProbe,
            load=st.integers(1, 10**9),
            passed=st.booleans(),
            p99_ms=st.one_of(st.none(), amounts),
            lost=st.integers(0, 10**9),
            errors=st.integers(0, 10**9),
            achieved_per_s=amounts,
            server_cpu_percent=st.one_of(st.none(), amounts),
            valid=st.booleans(),
            reasons=st.lists(texts, max_size=2),
        ),
        max_size=4,
    ),
)
@settings(deadline=None)
def test_any_capacity_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    low: int | None,
    high: int | None,
    unit: str,
    reason: str,
    probes: list[CapacityProbe],
) -> None:
    found = Capacity.model_validate(
        {
            "unit": unit,
            "low": low,
            "high": high,
            "conclusive": low is not None and high is not None,
            "reason": reason if low is None or high is None else None,
            "p99_limit_ms": 20.0,
            "confirmations": 3,
            "probes": probes,
        }
    )
    path = tmp_path_factory.mktemp("capacity") / "fastapi.yml"
    document = framework_document(capacity_measurement(found))
    save(document, path)
    assert load_framework(path) == document


@pytest.mark.parametrize(
    "text",
    [
        "3.10",
        "1e5",
        "no",
        "on",
        "null",
        "~",
        "",
        "0x1F",
        "1:30",
        "2026-11-01",
        "=",
        "<<",
        "- a",
        "&a",
        "*b",
        "!c",
        "%d",
    ],
)
def test_words_that_yaml_mistakes_for_something_else_stay_words(tmp_path: Path, text: str) -> None:
    written(tmp_path / "fastapi.yml", framework_document(title=text))
    assert load_framework(tmp_path / "fastapi.yml").framework.title == text


def test_markup_is_plain_text(tmp_path: Path) -> None:
    title = "<script>alert(1)</script> **bold** [x](javascript:1) {{ 7*7 }} & *a"
    written(tmp_path / "fastapi.yml", framework_document(title=title))
    assert load_framework(tmp_path / "fastapi.yml").framework.title == title


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://x.y", "https://x.y/<b>", 'https://x.y/"onclick="', "https://x.y/ z"]
)
def test_a_homepage_is_an_https_address_and_nothing_more(tmp_path: Path, url: str) -> None:
    place = changed(tmp_path / "f.yml", "https://fastapi.tiangolo.com", f"'{url}'")
    assert places(tmp_path / "f.yml") == [place]


def test_small_numbers_are_written_so_that_they_stay_numbers(tmp_path: Path) -> None:
    assert "1.0e-05" in written(tmp_path / "f.yml")


# Problems and their places


def test_every_problem_is_reported_with_its_position(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    text = written(path)
    text = text.replace("protocol: websocket", "protocol: carrier pigeon", 1)
    text = text.replace("python: '3.11'", "python: 3.11", 1)
    text = text.replace("sent: 5000", "sent: 5001", 1)
    path.write_text(text, encoding="utf-8")
    found = {problem.line: problem for problem in problems_in(path)}
    lines = text.splitlines()
    pigeon, python, ledger = (
        next(number for number, line in enumerate(lines, 1) if piece in line)
        for piece in ("pigeon", "python: 3.11", "sent: 5001")
    )
    assert sorted(found) == sorted([pigeon, python, ledger])
    assert found[pigeon].column == lines[pigeon - 1].index("carrier") + 1
    assert "framework.protocol" in found[pigeon].message
    assert found[python].column == lines[python - 1].index("3.11") + 1
    assert "write it in quotes" in found[python].message
    assert found[ledger].column == lines[ledger - 1].index("{") + 1
    assert "cells[0].measurements[0].messages: the ledger does not balance: sent 5001" in found[ledger].message
    assert str(found[pigeon]).startswith(f"{path}:{pigeon}:")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("duration_s: 3.0", "duration_s: .nan"),
        ("duration_s: 3.0", "duration_s: -.inf"),
        ("duration_s: 3.0", "duration_s: -1.0"),
        ("duration_s: 3.0", "duration_s: 1e-5"),
        ("duration_s: 3.0", "duration_s: '3.0'"),
        ("duration_s: 3.0", "duration_s: 1:30:00x"),
        ("round: 1", "round: 1.0"),
        ("round: 1", "round: 0"),
        ("round: 1", "round: yes"),
        ("valid: true", "valid: 1"),
        ("valid: true", "valid: 'true'"),
        ("slug: fastapi", "slug: ../../etc/passwd"),
        ("started: '2026-11-01T00:00:00Z'", "started: '2026-11-01'"),
        ("rate_per_s: 1000", "rate_per_s: .inf"),
        ("rate_per_s: 1000", "rate_per_s: [1]"),
        ("run: 20261101T000000Z", "run: a/b"),
    ],
)
def test_a_wrong_value_is_found_at_its_place(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "f.yml"
    line, column = changed(path, old, new).split(":")
    value_column = int(column) + new.index(": ") + 2
    assert places(path) == [f"{line}:{value_column}"] * len(places(path)) != []


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    changed(tmp_path / "f.yml", "tuning: defaults", "tuning: defaults\n  speed: 11")
    (problem,) = problems_in(tmp_path / "f.yml")
    assert "speed" in problem.message


@pytest.mark.parametrize(
    ("old", "new", "offset", "words"),
    [
        ("title: FastAPI", "title: &a FastAPI", 7, "the anchor &a"),
        ("title: FastAPI", "title: *a", 7, "the alias *a"),
        ("title: FastAPI", "title: !!str FastAPI", 7, "the tag tag:yaml.org,2002:str"),
        ("title: FastAPI", "title: !python/name:os.system x", 7, "the tag !python/name:os.system"),
        ("title: FastAPI", "title: !!python/object/apply:os.system [id]", 7, "python/object/apply"),
        ("title: FastAPI", "title: FastAPI\n  title: FastAPI", 17, "'title' appears twice"),
        ("title: FastAPI", "<<: {title: FastAPI}", 0, None),
        ("title: FastAPI", "title: [unclosed", 0, "not valid YAML"),
        ("title: FastAPI", "title: FastAPI\n--- \nx:", 0, "a second document"),
        ("title: FastAPI", "? [a, b]\n  : FastAPI", 2, "unhashable key"),
        ("title: FastAPI", "title: " + "9" * 5000, 7, "the number 999"),
    ],
)
def test_other_yaml_than_ours_is_refused(tmp_path: Path, old: str, new: str, offset: int, words: str | None) -> None:
    path = tmp_path / "f.yml"
    line, column = changed(path, old, new).split(":")
    problem = problems_in(path)[0]
    if words is not None:
        assert words in problem.message
    if offset == 7:
        assert (problem.line, problem.column) == (int(line), int(column) + offset)
    if offset == 17:
        assert (problem.line, problem.column) == (int(line) + 1, 3)


def test_a_key_that_equals_another_appears_twice(tmp_path: Path) -> None:
    (tmp_path / "f.yml").write_text("1: a\ntrue: b\n")
    assert "appears twice" in problems_in(tmp_path / "f.yml")[0].message


@pytest.mark.parametrize("name", ["run.yml", "f.yml"])
@pytest.mark.parametrize(
    "content",
    [b"", b"null\n", b"[]", b"- 1", b"just words", b"\x00\x01\x02", b"\xff\xfe\xfd", b"%", b"\x80" * 50, b"---", b"\t"],
)
def test_junk_is_refused_with_a_place(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    problems = problems_in(tmp_path / name)
    assert problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@given(content=st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_no_bytes_raise_anything_but_problems(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.yml"
    path.write_bytes(content)
    assert problems_in(path)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_good_file_with_a_flaw_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flawed.yml"
    good = written(path).encode()
    at = data.draw(st.integers(0, len(good)))
    path.write_bytes(good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :])
    for problem in problems_in(path):
        assert problem.message


def test_plain_scalars_have_their_yaml_type_and_quoted_ones_are_text() -> None:
    plain = [
        "5",
        "-0",
        "+1",
        "0x1F",
        "0b11",
        "012",
        "1_000",
        "1:30",
        ".5",
        "1.5e+3",
        "1e5",
        "6.02e+23",
        "yes",
        "No",
        "on",
        "OFF",
        "True",
        "~",
        "null",
        "Null",
        "word",
        "3.10",
    ]
    raw = "".join(f"- {one}\n- '{one}'\n- {{{one}: 1}}\n" for one in plain) + "-\n"
    assert repr(yaml.load(raw.encode(), Loader=_Loader)) == repr(yaml.load(raw, Loader=yaml.CSafeLoader))


@given(text=st.from_regex(r"[-+]?[0-9._xobn:]{1,10}([eE][-+]?[0-9]{1,3})?", fullmatch=True))
@settings(max_examples=500)
def test_whatever_looks_like_a_number_is_the_number_of_yaml(text: str) -> None:
    raw = f"- {text}\n- a: {text}\n"
    try:
        said = repr(yaml.load(raw, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError):  # 0b_ has no digit
        with pytest.raises(yaml.YAMLError):
            yaml.load(raw.encode(), Loader=_Loader)
    else:
        assert repr(yaml.load(raw.encode(), Loader=_Loader)) == said


@pytest.mark.parametrize("number", ["1:" + "00:" * 200 + "0.0", "0x" + "f" * 5_000, "9" * 5_000, "0b" + "1" * 41])
def test_a_number_beyond_all_reason_is_refused_at_its_place(tmp_path: Path, number: str) -> None:
    path = tmp_path / "run.yml"
    path.write_text(f"kind: run\nseed: {number}\n")
    (problem,) = problems_in(path)
    assert (problem.line, problem.column) == (2, 7)
    assert "the number" in problem.message
    path.write_text(f"kind: run\nseed: '{number}'\n")
    assert not any("the number" in problem.message for problem in problems_in(path))


LEVELS = 100_000


@pytest.mark.parametrize(
    "content",
    [
        b"[" * LEVELS,
        b"{a: " * LEVELS,
        b"- " * LEVELS + b"x",
        b"-  " * LEVELS + b"x",
        b"? " * LEVELS + b"x",
        b"# " + b"]" * LEVELS + b"\n" + b"[" * LEVELS,
        b"[ # ]\n" * LEVELS,
        b"[']', " * LEVELS,
        ("- " * LEVELS + "x").encode("utf-16"),
        b"\n".join(b" " * level + b"a:" for level in range(3000)),
        b"\r".join(b" " * level + b"a:" for level in range(3000)),
    ],
    ids=[
        "flow",
        "maps",
        "dashes",
        "wide-dashes",
        "keys",
        "closers-first",
        "comments",
        "quoted",
        "utf16",
        "block",
        "cr",
    ],
)
def test_deep_nesting_is_refused_and_ends_no_process(tmp_path: Path, content: bytes) -> None:
    """In a process of its own: libyaml's composer recurses in C and would end it."""
    (tmp_path / "f.yml").write_bytes(content)
    code = (
        "import sys, pathlib; from runners.record import problems_in; print(problems_in(pathlib.Path(sys.argv[1]))[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "f.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert f"nesting deeper than {MAX_DEPTH}" in done.stdout or "not valid YAML" in done.stdout


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"[" * 400 + b"]" * 400, 1, MAX_DEPTH + 1),
        (b"\n".join(b" " * level + b"a:" for level in range(450)), MAX_DEPTH + 1, MAX_DEPTH + 1),
        (b"\n".join(b" " * level + b"- a:" for level in range(0, 400, 2)), MAX_DEPTH // 2 + 1, MAX_DEPTH + 1),
        (b"- " * 220 + b"x", 1, 2 * MAX_DEPTH + 1),
        (b"? " * 220 + b"x", 1, 2 * MAX_DEPTH + 1),
    ],
    ids=["flow", "maps", "lists-of-maps", "lists", "keys"],
)
def test_deep_nesting_is_reported_with_its_position(tmp_path: Path, content: bytes, line: int, column: int) -> None:
    (tmp_path / "f.yml").write_bytes(content)
    (problem,) = problems_in(tmp_path / "f.yml")
    assert problem.message.startswith(f"nesting deeper than {MAX_DEPTH} is not allowed")
    assert (problem.line, problem.column) == (line, column)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "f.yml").open("wb") as file:
        file.truncate(MAX_BYTES * 1000)
    (problem,) = problems_in(tmp_path / "f.yml")
    assert f"{MAX_BYTES:,} bytes" in problem.message


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: No such file") as raised:
        load_run(tmp_path / "run.yml")
    assert raised.value.exit_code == 4
    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        load_run(tmp_path)


def test_a_framework_file_is_no_run(tmp_path: Path) -> None:
    written(tmp_path / "run.yml")
    assert any("kind" in problem.message for problem in problems_in(tmp_path / "run.yml"))


# What cannot be made


def test_a_ledger_that_does_not_balance_is_refused() -> None:
    with pytest.raises(ValidationError, match=re.escape("sent 10 is not received 8 + lost 1 + in_flight 0")):
        messages(10, 8, 1)


def test_a_failed_measurement_is_not_valid_and_an_invalid_one_has_reasons() -> None:
    good = measurement().model_dump(exclude_defaults=True) | {"valid": True}
    type(measurement()).model_validate(good)
    failure = Failure(stage="load", reason="x").model_dump()
    for wrong in (
        {**good, "failure": failure},
        {**good, "valid": False},
        {key: value for key, value in good.items() if key != "messages"},
    ):
        with pytest.raises(ValidationError):
            type(measurement()).model_validate(wrong)


def test_a_capacity_is_conclusive_or_has_a_reason() -> None:
    good = capacity().model_dump()
    Capacity.model_validate(good)
    for few in ({"low": None}, {"high": None}, {"low": None, "high": None}):
        Capacity.model_validate({**good, "typical": None, **few})
    for wrong in ({"reason": "why"}, {"conclusive": False}):
        with pytest.raises(ValidationError, match="capacity"):
            Capacity.model_validate({**good, **wrong})


def test_a_measurement_has_a_failure_values_or_a_capacity() -> None:
    searched = capacity_measurement().model_dump()
    figures = measurement().model_dump()
    for wrong in (
        {**figures, "capacity": searched["capacity"]},
        {**searched, "valid": False, "failure": Failure(stage="start", reason="x").model_dump()},
        {**searched, "valid": False, "invalid_reasons": ["x"]},
        {**searched, "capacity": None},
    ):
        with pytest.raises(ValidationError):
            type(measurement()).model_validate(wrong)


def test_save_refuses_what_load_would_refuse(tmp_path: Path) -> None:
    unbalanced = messages().model_copy(update={"lost": 1})
    document = framework_document(measurement().model_copy(update={"messages": unbalanced}))
    with pytest.raises(ValidationError):
        save(document, tmp_path / "f.yml")
    assert list(tmp_path.iterdir()) == []


# Writing in one step


def test_a_failing_disk_leaves_the_old_file_whole_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(tmp_path / "f.yml")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(framework_document(title="New"), tmp_path / "f.yml")
    assert (tmp_path / "f.yml").read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["f.yml"]


def test_a_file_that_may_not_grow_leaves_the_old_one_whole(tmp_path: Path) -> None:
    """RLIMIT_FSIZE in a child is the nearest to a full disk that needs no privilege."""
    before = written(tmp_path / "f.yml")
    code = (
        "import resource, signal, sys, pathlib\n"
        "from runners.record import save\n"
        "from tests.support.documents import framework_document\n"
        "sys.dont_write_bytecode = True  # a module imported from here on would be cached cut off\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: save(framework_document(title='New'), pathlib.Path(sys.argv[1]))\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "f.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "File too large\n", done.stderr
    assert (tmp_path / "f.yml").read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["f.yml"]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        save(run_document(), tmp_path / "file" / "run.yml")


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    written(tmp_path / "new" / "f.yml")
    assert (tmp_path / "new" / "f.yml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("change", [{"begun": 3}, {"completed": 1}, {"due": 1}])
def test_streams_that_do_not_balance_are_refused(change: dict[str, int]) -> None:
    counts = dict.fromkeys(("cancelled", "broken", "unfinished", "missing", "wrong", "together"), 0)
    times = {name: Percentiles(count=20) for name in ("first_chunk_ms", "chunk_lateness_ms")}
    balanced = {"due": 2, "begun": 2, "completed": 2, "chunks": 20, **counts, **times}
    assert Streams.model_validate(balanced).begun == 2
    with pytest.raises(ValidationError, match="all that began end in one way"):
        Streams.model_validate({**balanced, **change})


@pytest.mark.parametrize("change", [{"late": 1}, {"never": 1}, {"complete": 3}])
def test_messages_from_outside_that_do_not_balance_are_refused(change: dict[str, int]) -> None:
    counts = dict.fromkeys(("late", "never", "twice", "foreign", "refused", "ended"), 0)
    times = {name: Percentiles(count=20) for name in ("delivery_ms", "last_delivery_ms")}
    balanced = {"messages": 2, "due": 4, "in_time": 4, "complete": 2, **counts, **times}
    found = PublishedMessages.model_validate(balanced)
    assert (found.delivered_percent, found.complete_percent) == (100, 100)
    lossy = PublishedMessages.model_validate({**balanced, "in_time": 3, "never": 1, "complete": 1})
    assert (lossy.delivered_percent, lossy.complete_percent) == (75, 50)
    with pytest.raises(ValidationError, match="of 4 due deliveries"):
        PublishedMessages.model_validate({**balanced, **change})
