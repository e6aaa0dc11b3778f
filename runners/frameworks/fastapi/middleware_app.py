"""The same app behind one middleware, which gives each answer a number."""

from collections.abc import Awaitable, Callable
from itertools import count

from app import app
from fastapi import Request, Response

numbers = count(1)


@app.middleware("http")
async def number_answers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["X-Request-ID"] = str(next(numbers))
    return response
