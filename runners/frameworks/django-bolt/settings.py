"""Django settings: no database, no templates; django-bolt is told where the app is."""

SECRET_KEY = "measured-never-deployed"  # noqa: S105
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django_bolt"]
BOLT_API = ["app:api"]
