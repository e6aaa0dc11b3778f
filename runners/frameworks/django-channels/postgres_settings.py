"""The same settings with a channel layer in PostgreSQL, whose tables are those of an app."""

import os
from urllib.parse import urlsplit

from settings import *  # noqa: F403
from settings import INSTALLED_APPS

address = urlsplit(os.environ["DATABASE_URL"])
database = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": address.path.removeprefix("/"),
    "USER": address.username,
    "HOST": address.hostname,
    "PORT": address.port,
}
INSTALLED_APPS = [*INSTALLED_APPS, "channels_postgres"]
DATABASES = {"default": database, "channels_postgres": database}
CHANNEL_LAYERS = {"default": {"BACKEND": "postgres_layer.OneListenerLayer", "CONFIG": database}}
