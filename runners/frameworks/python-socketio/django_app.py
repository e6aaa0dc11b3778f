"""The same events beside Django: Socket.IO has its own path, Django answers all the others."""

import socketio
from app import sio, start
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="measured-never-deployed",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
)


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("healthz", healthz)]

# With "on_startup" the lifespan events end here; Django does not know them.
app = socketio.ASGIApp(sio, get_asgi_application(), on_startup=start)
