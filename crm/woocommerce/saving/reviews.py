from collections.abc import Iterable, Iterator
from datetime import datetime

from crm.events.recording import Fact, record_many
from crm.orders.models import ProductReview
from crm.stores.models import Store

from .. import mapping, rereads
from ..values import when_of
from .items import Item, make_item
from .page import Held, Mirror, Saved, counts, leaves, save, upsert

MIRROR = Mirror(
    resource="reviews",
    table="orders_productreview",
    columns={
        "woo_id": "bigint",
        "date_created_gmt": "timestamptz",
        "date_modified_gmt": "timestamptz",
        "meta_data": "jsonb",
        "product_id_in_shop": "bigint",
        "status": "text",
        "reviewer": "text",
        "reviewer_email": "text",
        "review": "text",
        "rating": "smallint",
        "verified": "boolean",
    },
    map=lambda payload: make_item(mapping.review(payload), payload),
)

# The account of the address before the guest, the oldest account before others.
_LINKS = """
    LEFT JOIN orders_product p ON p.store_id = %(store)s AND p.woo_id = nullif(r.product_id_in_shop, 0)
    LEFT JOIN LATERAL (
        SELECT coalesce(c.joined_to_id, c.id) AS id FROM orders_customer c
        WHERE c.store_id = %(store)s AND c.email = r.reviewer_email AND r.reviewer_email <> ''
        ORDER BY c.deleted_at NULLS FIRST, c.woo_id NULLS LAST LIMIT 1
    ) writer ON true
"""


def save_reviews(store: Store, payloads: Iterable[dict], at: datetime, *, revive: bool = True) -> Saved:
    """Save reviews of products. They have no date of change: what is read last is the newest."""

    def write(items, held):
        written = upsert(
            MIRROR, store, at, items, more={"product_id": "p.id", "customer_id": "writer.id"}, joins=_LINKS
        )
        changed = [item for item in items if item.woo_id in written]
        _record(store, changed, held, at)
        # The products of history are read in the same import.
        news = (item for item in changed if item.woo_id in held or store.announces(_created(item)))
        ask_for_stars(store, (item.row["product_id_in_shop"] for item in news), at)
        return counts(items, held, written)

    return save(MIRROR, store, payloads, at, write, revive)


def ask_for_stars(store: Store, products: Iterable[int], at: datetime) -> None:
    """Have products read again whose reviews are others now: their average rating and its count change without a date."""
    rereads.ask({(store.pk, "products", number) for number in products if number}, at)


def _created(item: Item) -> datetime | None:
    return when_of(item.row["date_created_gmt"])


def _record(store: Store, items: list[Item], held: dict[int, Held], at: datetime) -> None:
    customers = dict(
        ProductReview.objects.for_store(store)
        .filter(woo_id__in=[item.woo_id for item in items])
        .values_list("woo_id", "customer_id")
    )
    record_many(store, (fact for item in items for fact in _facts(store, item, held.get(item.woo_id), customers, at)))


def _facts(store, item: Item, held: Held | None, customers: dict, at: datetime) -> Iterator[Fact]:
    row = item.row
    data = {"product_id": row["product_id_in_shop"], "rating": row["rating"], "status": row["status"]}
    customer_id = customers.get(item.woo_id)
    created = _created(item)
    if held is None and store.announces(created):
        yield Fact("product_review.created", str(item.woo_id), customer_id, None, data, created)
    elif leaves(item, held):
        yield Fact("product_review.deleted", f"{item.woo_id}:{at.isoformat()}", customer_id, None, data, at)
