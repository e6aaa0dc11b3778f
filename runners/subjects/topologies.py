"""What each topology puts between clients and servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runners.loadgen.job import Transport
from runners.record.schema import Topology


@dataclass(frozen=True)
class TopologyRow:
    """The facts of one topology."""

    is_proxy: bool = False
    """Whether a program runs in front of the server."""
    tls: Literal["server", "proxy"] | None = None
    """What speaks TLS with the clients, if anything does."""
    offers_deflate: bool = False
    """Whether clients offer to compress messages (permessage-deflate)."""
    only: frozenset[Transport] = frozenset()
    """Transports that it concerns; empty: all. Others would be measured twice under the same conditions."""

    def concerns(self, transport: Transport) -> bool:
        return not self.only or transport in self.only


TOPOLOGIES: dict[Topology, TopologyRow] = {
    "direct": TopologyRow(),
    "nginx": TopologyRow(is_proxy=True),
    "haproxy": TopologyRow(is_proxy=True),
    "tls": TopologyRow(tls="server"),
    "nginx-tls": TopologyRow(is_proxy=True, tls="proxy"),
    "haproxy-tls": TopologyRow(is_proxy=True, tls="proxy"),
    "deflate": TopologyRow(offers_deflate=True, only=frozenset({"websocket"})),
}
