"""Django settings: no database, no templates; a channel layer in Redis where REDIS_URL names one."""

import os

SECRET_KEY = "measured-never-deployed"  # noqa: S105
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "app"
INSTALLED_APPS = ["channels"]

if REDIS_URL := os.environ.get("REDIS_URL"):
    # Without "socket_timeout" redis 8 ends every connection that is idle for 5 s:
    # https://github.com/django/channels_redis/issues/422
    # Without "max_connections" it admits 100 at a time, and the next consumer to join or leave a group fails.
    # Redis itself admits 10,000.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": os.environ.get("CHANNEL_LAYER", "channels_redis.core.RedisChannelLayer"),
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None, "max_connections": 10_000}]},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
