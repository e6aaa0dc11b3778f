"""The same events beside Django: Socket.IO has its own path, Django answers all the others."""

import socketio
from app import sio, start
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    SECRET_KEY="measured-never-deployed",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
)


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


@csrf_exempt  # whoever posts is no page of this site, and has no token
async def post_to_room(request: HttpRequest, room: str) -> HttpResponse:
    await sio.emit("message", request.body.decode(), to=room)
    return HttpResponse(status=204)


urlpatterns = [path("healthz", healthz), path("publish/<str:room>", post_to_room)]

# With "on_startup" the lifespan events end here; Django does not know them.
app = socketio.ASGIApp(sio, get_asgi_application(), on_startup=start)
