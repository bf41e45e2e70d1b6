"""What waits for a store's next poll besides the lists of its shop, found out in one statement: a poll that finds nothing shall cost next to nothing."""

from typing import NamedTuple

from django.db import connection

from crm.stores.models import Store

from .models import Resource

_LOOK = """
    SELECT
        EXISTS (SELECT FROM orders_category WHERE store_id = %(store)s AND digest = '' AND deleted_at IS NULL),
        EXISTS (SELECT FROM orders_customer WHERE store_id = %(store)s AND woo_id > 0 AND synced_at IS NULL AND deleted_at IS NULL),
        EXISTS (
            SELECT FROM orders_refund r JOIN orders_order o ON o.id = r.order_id AND o.deleted_at IS NULL
            WHERE r.store_id = %(store)s AND r.lines_synced_at IS NULL
        ) OR EXISTS (
            -- Ten minutes over, as all that polls ask for.
            SELECT FROM woocommerce_syncstate s JOIN woocommerce_webhookdelivery d
                ON d.store_id = s.store_id AND d.created_at >= s.complete_until - interval '10 minutes'
            WHERE s.store_id = %(store)s AND s.resource = 'refunds'
        ),
        EXISTS (SELECT FROM woocommerce_keptaside WHERE store_id = %(store)s AND resolved_at IS NULL),
        EXISTS (SELECT FROM woocommerce_incident WHERE store_id = %(store)s AND kind = 'sync' AND closed_at IS NULL)
"""

# Kinds of objects that a poll does not ask the shop for unless something waits, or unless it has saved something of another kind.
DEPENDENT = frozenset({Resource.CATEGORIES, Resource.VARIATIONS, Resource.BUYERS, Resource.REFUNDS})


class Waiting(NamedTuple):
    categories: bool
    buyers: bool
    refunds: bool
    """Lines of refunds are to be read, or webhooks have told of changes: with a change, there may be a refund that no order names."""
    kept_aside: bool
    """Objects that could not be mirrored are to be tried again."""
    incident: bool
    """An earlier run failed, and nobody has seen yet that it works again."""

    @property
    def resources(self) -> set[str]:
        """The dependent kinds of which something waits."""
        found = {Resource.CATEGORIES: self.categories, Resource.BUYERS: self.buyers, Resource.REFUNDS: self.refunds}
        return {resource for resource, waits in found.items() if waits}


def look(store: Store) -> Waiting:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"store": store.pk})
        return Waiting(*cursor.fetchone())
