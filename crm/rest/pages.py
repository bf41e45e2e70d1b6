from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """`{next, previous, results}`, newest first; a page costs the same wherever it is. `limit`: 1 to 100."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = "-id"

    def decode_cursor(self, request):
        cursor = super().decode_cursor(request)
        # A cursor that somebody wrote by hand: what it holds is looked for as a primary key.
        if cursor and cursor.position and not cursor.position.isdecimal():
            raise NotFound(self.invalid_cursor_message)
        return cursor
