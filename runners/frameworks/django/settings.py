"""Django settings: no database, no templates; what differs between variants is in the environment."""

import os

SECRET_KEY = "measured-never-deployed"  # noqa: S105
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = os.environ.get("URLCONF", "app")
INSTALLED_APPS = os.environ.get("INSTALLED_APPS", "").split()
MIDDLEWARE = os.environ.get("MIDDLEWARE", "").split()
