from django.db import connection

from crm.stores.models import Store


def lock_mirror(store: Store) -> None:
    """Wait until nobody else writes this store's mirror, and keep others out until the transaction ends.

    Writers then see what is held and can't deadlock over rows they would take in different orders.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"orders.mirror:{store.pk}"])
