from contextlib import contextmanager

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor


@contextmanager
def bound_cursor():
    """Django's cursor, but with parameters sent beside the statement.

    Django writes them into its text; quoting a page of orders as JSON costs more than saving some of it.
    """
    connection.ensure_connection()
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrap(ServerBindingCursor(connection.connection)) as cursor:
        yield cursor
