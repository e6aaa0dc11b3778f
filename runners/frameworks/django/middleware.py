"""A middleware that gives each answer a number."""

from collections.abc import Awaitable, Callable
from itertools import count

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import async_only_middleware

numbers = count(1)


@async_only_middleware
def number_answers(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        response["X-Request-ID"] = str(next(numbers))
        return response

    return middleware
