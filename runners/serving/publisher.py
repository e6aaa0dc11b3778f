"""The program that publishes to rooms through a variant's broker, as a worker or a scheduled job does.

It reads lines from a named pipe (fifo(7)), so that this process starts it and the load generator writes to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from runners import process
from runners.record import RtsiteError

READY = "ready"
"""The first line that it prints, once it can publish."""
START_S = 20.0
"""Seconds that it may take for that."""
READ_S = 1.0
"""Seconds that it may take to read its input, where that is full."""
END_S = 5.0
"""Seconds that it has to end by itself when its input ends."""


class PublisherError(RtsiteError):
    """The program that publishes did not start, or ended before its input did."""


@dataclass(frozen=True)
class PublisherProgram:
    """How the program of a variant is started: like its server, in the same environment."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    @contextlib.contextmanager
    def running(self, cpus: Sequence[int] = ()) -> Iterator[RunningPublisher]:
        """Start it on these CPUs (empty: any), wait until it can publish, and end it with the block.

        Raises `PublisherError` and `ProcessError`, the former also at the end of a block in which it ended.
        """
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtsite-publisher-")))
            lines, printed, complaints = (folder / name for name in ("lines", "printed", "complaints"))
            os.mkfifo(lines)
            # Opened for both, it does not wait for the other end. Later only a writer may be left, so that the program
            # sees the end of its input, and a writer its end.
            both = os.open(lines, os.O_RDWR)
            try:
                child = process.start(
                    f"{self.name}: its publisher",
                    self.command,
                    folder=self.folder,
                    environment=self.environment,
                    cpus=cpus,
                    log=printed,
                    errors=complaints,
                    stdin=lines,
                )
                stack.callback(child.stop)
                writer = os.open(lines, os.O_WRONLY | os.O_NONBLOCK)
            finally:
                os.close(both)
            publisher = RunningPublisher(child, lines, complaints, writer)
            stack.callback(publisher.end_input)
            publisher.wait_until_ready()
            try:
                yield publisher
            except PublisherError:
                raise
            except Exception as error:
                if (ended := publisher.how_it_ended) is None:
                    raise
                raise PublisherError(f"{error}; {ended}") from error
            if (ended := publisher.how_it_ended) is not None:
                raise PublisherError(f"{ended}, before its input ended")


@dataclass
class RunningPublisher:
    """A running program. ``lines``: the named pipe of its input."""

    child: process.Child
    lines: Path
    _complaints: Path
    _writer: int

    def publish(self, room: str, text: str) -> None:
        """Let it publish a text to a room; raises `PublisherError`."""
        if (ended := self.how_it_ended) is not None:
            raise PublisherError(ended)
        left = json.dumps({"room": room, "text": text}).encode() + b"\n"
        try:
            while left:  # a pipe may take a part of what is longer than PIPE_BUF (pipe(7))
                if not self._has_room():
                    raise PublisherError(f"{self.child.name} does not read its input")
                with contextlib.suppress(BlockingIOError):  # room for less than a short line
                    left = left[os.write(self._writer, left) :]
        except OSError as error:
            raise PublisherError(self.how_it_ended or f"{self.child.name} takes no input: {error.strerror}") from None

    def _has_room(self) -> bool:
        """Wait until its input takes something; false if it does not in time."""
        poll = select.poll()
        poll.register(self._writer, select.POLLOUT)
        return bool(poll.poll(1000 * READ_S))

    def wait_until_ready(self) -> None:
        """Wait for its first line; raises `PublisherError`."""
        in_time = process.becomes_ready(self.child, lambda: bool(self._first_line()) or not self.child.running, START_S)
        first = self._first_line()
        if first == READY:
            return
        if first:
            raise PublisherError(f"{self.child.name}: expected the line {READY!r} first, got {first[:80]!r}")
        if not in_time:
            raise PublisherError(
                f"{self.child.name} did not print {READY!r} within {START_S:g} s{self._words()}; print it, and flush,"
                " once it can publish"
            )
        raise PublisherError(f"{self.how_it_ended}; expected the line {READY!r} first")

    @property
    def how_it_ended(self) -> str | None:
        """A sentence, if it has ended; ``None`` if it runs."""
        if self.child.running:
            return None
        return f"{self.child.name} ended with status {self.child.status}{self._words()}"

    def end_input(self) -> None:
        """End its input, and give it time to end by itself."""
        os.close(self._writer)
        self.child.wait(END_S)

    def _first_line(self) -> str:
        """The first line, if it is complete; after the end of the program, whatever it is."""
        text = self.child.log.read_text(encoding="utf-8", errors="replace") if self.child.log.exists() else ""
        line, newline, _ = text.partition("\n")
        return line.strip() if newline or not self.child.running else ""

    def _words(self) -> str:
        """The last line that it wrote to stderr, in brackets."""
        text = self._complaints.read_text(encoding="utf-8", errors="replace") if self._complaints.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f" ({lines[-1][:300]})" if lines else ""
