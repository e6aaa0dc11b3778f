"""What documentation says and no test determines: the findings carry the page that says it."""

from __future__ import annotations

from runners.record import Finding
from runners.subjects.catalog import Documented, Framework

_RECONNECTION = "https://socket.io/docs/v4/client-options/#reconnection"
_EVENT_SOURCE = "https://html.spec.whatwg.org/multipage/server-sent-events.html#reestablish-the-connection"


def documented_findings(framework: Framework) -> list[Finding]:
    """Whether clients reconnect by themselves, how a handshake knows the host application's user, and what tests
    handlers.
    """
    return [
        _reconnecting(framework),
        _finding("authentication", framework.evidence.authentication),
        _finding("test-client", framework.evidence.test_client),
    ]


def _reconnecting(framework: Framework) -> Finding:
    item = "reconnecting-client"
    if framework.protocol == "socket.io":
        return Finding(item=item, value=True, note="Socket.IO's client", documented=_RECONNECTION)
    if framework.only_streams:
        return Finding(item=item, value=True, note="a browser's EventSource", documented=_EVENT_SOURCE)
    return Finding(item=item, value=False, note="a browser's WebSocket does not reconnect")


def _finding(item: str, said: Documented | None) -> Finding:
    if said is None:
        return Finding(item=item, note=f"[tool.rtsite.evidence] of pyproject.toml has no {item.replace('-', '_')}")
    return Finding(item=item, value=said.value, note=said.how, documented=said.documented)
