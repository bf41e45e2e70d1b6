from collections.abc import Iterable
from datetime import datetime

from crm.events.recording import Fact, record_many
from crm.stores.models import Store

from .. import mapping
from ..values import when_of
from .items import Item, make_item
from .page import Mirror, Saved, counts, save, upsert

MIRROR = Mirror(
    resource="customers",
    table="orders_customer",
    columns={
        "woo_id": "bigint",
        "date_created_gmt": "timestamptz",
        "date_modified_gmt": "timestamptz",
        "meta_data": "jsonb",
        "email": "text",
        "first_name": "text",
        "last_name": "text",
        "phone": "text",
        "username": "text",
        "role": "text",
        "language": "text",
        "is_paying_customer": "boolean",
        "billing": "jsonb",
        "shipping": "jsonb",
    },
    map=lambda payload: make_item(mapping.customer(payload), payload),
    held=("synced_at",),
)


def save_customers(store: Store, payloads: Iterable[dict], at: datetime, *, revive: bool = False) -> Saved:
    """Save registered customers. One who was known only as a number on an order gets a name, and is then announced."""

    def write(items, held):
        written = upsert(MIRROR, store, at, items)
        record_many(store, _facts(items, held, written))
        return counts(items, held, written)

    def _facts(items: list[Item], held, written):
        for item in items:
            created = when_of(item.row["date_created_gmt"])
            is_known = item.woo_id in held and held[item.woo_id].extra[0] is not None
            if item.woo_id in written and not is_known and store.announces(created):
                pk = written[item.woo_id]
                yield Fact("customer.created", str(pk), customer_id=pk, occurred_at=created)

    return save(MIRROR, store, payloads, at, write, revive)
