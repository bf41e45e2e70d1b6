"""The product for the webhook benchmark's gunicorn, with the empty view beside it."""

import os

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postpurchase.settings")
settings.ROOT_URLCONF = "postpurchase.bench.urls"

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
