"""What proxies log about connections that they ended or could not pass on. Text in, sentences out; no I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

MOST_COMPLAINTS = 5
_NGINX = re.compile(
    r"\[(?:(?:error|crit|alert|emerg)\]|info\](?=.* timed out)) [\d#]+: (?:\*\d+ )?(?P<text>.*?)(?:, client: .*)?$"
)
"""A line of nginx's error log: https://nginx.org/en/docs/ngx_core_module.html#error_log. That it closed an idle
WebSocket is an information for nginx, and its warnings are about files."""
_HAPROXY = re.compile(r" (?P<status>-1|\d{3}) \d+ \S+ \S+ (?P<state>[A-Za-z-]{4}) \d+/\d+/\d+/\d+/\d+ ")
"""A line of HAProxy's HTTP log with its termination state: https://docs.haproxy.org/2.6/configuration.html#8.5."""
_CAUSES = {
    "c": "the client was silent until a timeout",
    "s": "the server was silent until a timeout",
    "P": "the proxy refused the request",
    "R": "the proxy lacked a resource",
    "S": "the server refused or broke the connection",
}
"""The cause of the end, by the first letter of the state. Others are the client's own end."""
_PHASES = {
    "R": "before the request was complete",
    "Q": "in the proxy's queue",
    "C": "before the server was connected",
    "H": "before the server's answer",
    "D": "in an open connection",
    "T": "while it was held for abuse",
}


def complaints_in(lines: Iterable[str]) -> list[str]:
    """What the lines of a proxy's log report of errors, each with how often, the most frequent first; at most
    `MOST_COMPLAINTS`.
    """
    counted = Counter(found for line in lines if (found := _complaint_in(line)) is not None)
    return [f"{text} ({times} times)" if times > 1 else text for text, times in counted.most_common(MOST_COMPLAINTS)]


def _complaint_in(line: str) -> str | None:
    if (found := _NGINX.search(line)) is not None:
        return found["text"][:200]
    if (found := _HAPROXY.search(line)) is not None and found["state"][0] in _CAUSES:
        state = found["state"][:2]
        return f"{_CAUSES[state[0]]}, {_PHASES.get(state[1], 'at the end')} (state {state}, status {found['status']})"
    return None
