from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """`{next, previous, results}`, newest first; a page costs the same wherever it is. `limit`: 1 to 100."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = "-id"

    def decode_cursor(self, request):
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            raise self._no_cursor() from None
        # A cursor that somebody wrote by hand: what it holds is looked for as a primary key.
        if cursor and cursor.position and not cursor.position.isdecimal():
            raise self._no_cursor()
        return cursor

    def _no_cursor(self):
        """The list is there; what is wrong is a parameter, as with a filter that does not exist."""
        text = _("This is no cursor of this list. Take the addresses in `next` and `previous` as they are.")
        return ValidationError({"cursor": [text]})
