"""Settings for `django-admin runserver`, which serves WebSocket and reloads where daphne is an installed app."""

from settings import ALLOWED_HOSTS, CHANNEL_LAYERS, ROOT_URLCONF, SECRET_KEY

__all__ = ["ALLOWED_HOSTS", "CHANNEL_LAYERS", "ROOT_URLCONF", "SECRET_KEY"]

DEBUG = True
INSTALLED_APPS = ["daphne", "channels"]
ASGI_APPLICATION = "app.application"
