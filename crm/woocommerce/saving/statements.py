from collections.abc import Iterable
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import ServerBindingCursor


@contextmanager
def bound_cursor(prepare=False):
    """Django's cursor, but with parameters sent beside the statement.

    Django writes them into its text; quoting a page of orders as JSON costs more than saving some of it. With `prepare`, a statement that
    comes often is parsed and planned once for a connection.
    """
    # `django.db.connection` looks for the thread's own at each dot, which is felt where a statement takes a millisecond.
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    wire = connection.connection
    before = wire.prepare_threshold
    if prepare:
        wire.prepare_threshold = 5
    try:
        with wrap(ServerBindingCursor(wire)) as cursor:
            yield cursor
    finally:
        # Others on this connection may do better with a plan for their very values.
        wire.prepare_threshold = before


def array(numbers: Iterable[int]) -> str:
    """Numbers as PostgreSQL writes an array of them: psycopg would look at each one's size to find the narrowest type."""
    return "{" + ",".join(map(str, numbers)) + "}"
