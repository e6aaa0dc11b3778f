"""Closed-loop echo with other clients, each used as documented. Prints messages per second.

A separate program, so that each client has its own process, core and event loop:
``python peers.py CLIENT URL CONNECTIONS PAYLOAD_BYTES SECONDS``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

WARMUP_S = 1.0


class Tally:
    """Counts answers between the end of the warm-up and the deadline."""

    def __init__(self, seconds: float) -> None:
        self.start = time.perf_counter() + WARMUP_S
        self.end = self.start + seconds
        self.answered = 0
        self.latencies: list[float] = []

    def enter(self, sent: float) -> bool:
        """Count the answer to a message sent at ``sent``; returns false after the deadline."""
        now = time.perf_counter()
        if now >= self.start:
            self.answered += 1
            self.latencies.append(now - sent)
        return now < self.end

    @property
    def rate(self) -> float:
        return self.answered / (time.perf_counter() - self.start)


async def aiohttp_client(url: str, connections: int, payload: str, tally: Tally) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with session.ws_connect(url) as socket:
                while True:
                    sent = time.perf_counter()
                    await socket.send_str(payload)
                    await socket.receive_str()
                    if not tally.enter(sent):
                        return

        await asyncio.gather(*(one() for _ in range(connections)))


async def websockets_client(url: str, connections: int, payload: str, tally: Tally) -> None:
    from websockets.asyncio.client import connect

    async def one() -> None:
        async with connect(url, compression=None) as socket:
            while True:
                sent = time.perf_counter()
                await socket.send(payload)
                await socket.recv()
                if not tally.enter(sent):
                    return

    await asyncio.gather(*(one() for _ in range(connections)))


def locust_client(url: str, connections: int, payload: str, seconds: float) -> float:
    """Echo with Locust, which has no WebSocket client: its users drive websocket-client, as in its examples."""
    import gevent
    from locust import User, task
    from locust.env import Environment
    from websocket import create_connection

    tally = Tally(seconds)

    class Echo(User):
        def on_start(self) -> None:
            self.socket = create_connection(url)

        @task
        def exchange(self) -> None:
            sent = time.perf_counter()
            self.socket.send(payload)
            self.socket.recv()
            tally.enter(sent)
            self.environment.events.request.fire(
                request_type="echo",
                name="echo",
                response_time=(time.perf_counter() - sent) * 1000,
                response_length=len(payload),
                exception=None,
                context={},
            )

    environment = Environment(user_classes=[Echo])
    runner = environment.create_local_runner()
    runner.start(connections, spawn_rate=connections)
    gevent.sleep(max(0.0, tally.end - time.perf_counter()))
    rate = tally.rate
    runner.quit()
    return rate


ASYNC_CLIENTS: dict[str, Callable[[str, int, str, Tally], Awaitable[None]]] = {
    "aiohttp": aiohttp_client,
    "websockets": websockets_client,
}


def main() -> None:
    """Run one client and print its rate."""
    client, url, connections, payload_bytes, seconds = sys.argv[1:]
    if cpus := os.environ.get("RTSITE_CPUS"):
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    payload = "x" * int(payload_bytes)
    if client == "locust":
        from gevent import monkey

        monkey.patch_all()
        rate = locust_client(url, int(connections), payload, float(seconds))
    else:
        import uvloop

        async def run() -> float:
            tally = Tally(float(seconds))
            await ASYNC_CLIENTS[client](url, int(connections), payload, tally)
            return tally.answered / float(seconds)

        rate = uvloop.run(run())
    sys.stdout.write(f"{rate:.1f}\n")


if __name__ == "__main__":
    main()
