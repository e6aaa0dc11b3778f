"""The settings for several processes, which share their rooms through Redis."""

from settings import *  # noqa: F403

BOLT_API = ["redis_app:api"]
