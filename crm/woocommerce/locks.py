"""What only one process at a time does for a store."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from crm.stores.models import Store


class Busy(Exception):
    """Another process does this for the store right now."""


@contextmanager
def alone(store: Store, what: str) -> Iterator[None]:
    """Hold the store's lock for `what`, over requests and transactions; PostgreSQL lets go of it when this process dies. Raises Busy."""
    name = [f"woocommerce.{what}:{store.pk}"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
        if not cursor.fetchone()[0]:
            raise Busy
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)
