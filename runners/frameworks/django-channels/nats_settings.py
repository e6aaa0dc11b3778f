"""The same settings with a channel layer in NATS."""

import os

from settings import *  # noqa: F403

CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_nats.NatsChannelLayer", "CONFIG": {"servers": [os.environ["NATS_URL"]]}}
}
