"""What is answered when a page breaks."""

import sys

from django.views import defaults

from crm.work import outages

RETRY_AFTER = 10  # seconds


def server_error(request):
    """Django's own page; while the database is away with 503, which tells programs and caches that it is for now."""
    response = defaults.server_error(request)
    # Django asks for this page while it handles the error.
    if outages.is_away(sys.exc_info()[1]):
        response.status_code, response["Retry-After"] = 503, str(RETRY_AFTER)
    return response
