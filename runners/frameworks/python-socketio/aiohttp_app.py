"""The same events, attached to an aiohttp application; ASYNC_MODE must be "aiohttp"."""

import argparse
import ssl

from aiohttp import web
from aiohttp.typedefs import Handler
from app import MAX_MESSAGE_BYTES, sio, start


async def healthz(request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def post_to_room(request: web.Request) -> web.Response:
    await sio.emit("message", await request.text(), to=request.match_info["room"])
    return web.Response(status=204)


async def start_push(app: web.Application) -> None:
    await start()


@web.middleware
async def receive_all(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a polled message arrive in full: python-engineio takes what is there for all of it."""
    await request.content.wait_eof()
    return await handler(request)


def make_app() -> web.Application:
    app = web.Application(middlewares=[receive_all])
    app.router.add_get("/healthz", healthz)
    app.router.add_post("/publish/{room}", post_to_room)
    app.on_startup.append(start_push)
    sio.attach(app)
    return app


def tls_of(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.certificate, arguments.key)
    return context


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--certificate", help="of a server that speaks TLS; then --key too")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    web.run_app(
        make_app(),
        host=arguments.host,
        port=arguments.port,
        ssl_context=tls_of(arguments),
        access_log=None,
        print=None,
        read_bufsize=MAX_MESSAGE_BYTES,  # beyond it aiohttp stops reading, and `receive_all` would wait for ever
        shutdown_timeout=0.5,  # aiohttp waits twice as long for handlers that do not end, such as a poll
    )
