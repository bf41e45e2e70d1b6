"""What the API answers when something breaks."""

from django.utils.translation import gettext_lazy as _
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import APIException

from crm.work import outages


class Away(APIException):
    status_code, default_code = 503, "unavailable"
    default_detail = _("The database does not answer. Try again in some seconds.")
    wait = 10  # seconds, in Retry-After


class Failing(ExceptionHandler):
    def convert_known_exceptions(self, exc):
        return Away() if outages.is_away(exc) else super().convert_known_exceptions(exc)
