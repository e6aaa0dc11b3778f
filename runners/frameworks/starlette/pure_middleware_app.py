"""The same app behind one middleware, which gives each answer a number, written as plain ASGI."""

from itertools import count

from app import app
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

numbers = count(1)


class NumberAnswers:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_number(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = str(next(numbers))
            await send(message)

        await self.app(scope, receive, send_with_number)


app.add_middleware(NumberAnswers)
