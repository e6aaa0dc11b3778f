"""The same app behind one middleware, which gives each answer a number, written on Starlette's base class."""

from itertools import count

from app import app
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

numbers = count(1)


class NumberAnswers(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["X-Request-ID"] = str(next(numbers))
        return response


app.add_middleware(NumberAnswers)
