"""Settings for development: `runserver` is daphne with Django's reloader where daphne is among the apps."""

from settings import *  # noqa: F403

INSTALLED_APPS = ["daphne", "channels"]
ASGI_APPLICATION = "app.application"
