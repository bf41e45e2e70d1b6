from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """`{next, previous, results}`, newest first; a page costs the same wherever it is. `limit`: 1 to 100."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = "-id"
