"""Products with their variations and categories; coupons."""

from collections.abc import Iterable
from datetime import datetime

import orjson
from django.db import connection

from crm.events.recording import record_many
from crm.stores.models import Store

from .. import mapping
from .facts import coupon_deleted
from .items import Item, make_item
from .page import Mirror, Saved, counts, leaves, save, upsert

_DATED = {
    "woo_id": "bigint",
    "date_created_gmt": "timestamptz",
    "date_modified_gmt": "timestamptz",
    "meta_data": "jsonb",
}

CATEGORIES = Mirror(
    resource="categories",
    table="orders_category",
    columns=_DATED
    | {
        "name": "text",
        "slug": "text",
        "parent_woo_id": "bigint",
        "image_url": "text",
        "menu_order": "integer",
        "count": "integer",
    },
    map=lambda payload: make_item(mapping.category(payload), payload),
)

COUPONS = Mirror(
    resource="coupons",
    table="orders_coupon",
    columns=_DATED
    | {
        "code": "text",
        "amount": "numeric",
        "discount_type": "text",
        "status": "text",
        "description": "text",
        "date_expires_gmt": "timestamptz",
        "usage_count": "integer",
        "usage_limit": "integer",
        "individual_use": "boolean",
        "email_restrictions": "text[]",
        "used_by": "text[]",
    },
    map=lambda payload: make_item(mapping.coupon(payload), payload),
)

PRODUCTS = Mirror(
    resource="products",
    table="orders_product",
    columns=_DATED
    | {
        "name": "text",
        "slug": "text",
        "sku": "text",
        "type": "text",
        "status": "text",
        "permalink": "text",
        "image_url": "text",
        "short_description": "text",
        "price": "numeric",
        "regular_price": "numeric",
        "sale_price": "numeric",
        "stock_status": "text",
        "stock_quantity": "integer",
        "reviews_allowed": "boolean",
        "average_rating": "numeric",
        "rating_count": "integer",
        "attributes": "jsonb",
        "upsell_ids": "bigint[]",
        "cross_sell_ids": "bigint[]",
        "_parent_woo_id": "bigint",
    },
    map=lambda payload: _product_item(payload),
)


def save_categories(store: Store, payloads: Iterable[dict], at: datetime, *, revive: bool = True) -> Saved:
    """Categories have no dates: what is read last is the newest."""

    def write(items, held):
        return counts(items, held, upsert(CATEGORIES, store, at, items))

    return save(CATEGORIES, store, payloads, at, write, revive)


def save_coupons(store: Store, payloads: Iterable[dict], at: datetime, *, revive: bool = False) -> Saved:
    def write(items, held):
        written = upsert(COUPONS, store, at, items)
        going = [item for item in items if item.woo_id in written and leaves(item, held.get(item.woo_id))]
        facts = [coupon_deleted(item.woo_id, item.row["code"], item.row["usage_count"], at) for item in going]
        record_many(store, facts)
        return counts(items, held, written)

    return save(COUPONS, store, payloads, at, write, revive)


def save_products(store: Store, payloads: Iterable[dict], at: datetime, *, revive: bool = False) -> Saved:
    """Save products and variations; a variation finds its parent if that is held or on the same page."""

    def write(items, held):
        variations = [item for item in items if item.row["_parent_woo_id"]]
        products = [item for item in items if not item.row["_parent_woo_id"]]
        written = upsert(PRODUCTS, store, at, products, more={"parent_id": "NULL::bigint"}) if products else {}
        if variations:
            parent = "JOIN orders_product p ON p.store_id = %(store)s AND p.woo_id = r._parent_woo_id"
            written |= upsert(PRODUCTS, store, at, variations, more={"parent_id": "p.id"}, joins=f"LEFT {parent}")
        if products:
            _file_under_categories(store, products)
        return counts(items, held, written)

    return save(PRODUCTS, store, payloads, at, write, revive)


def _product_item(payload: dict) -> Item:
    row = mapping.product(payload)
    row["_parent_woo_id"] = row.pop("parent_woo_id")
    return make_item(row, payload)


_NEW_CATEGORIES = """
    INSERT INTO orders_category
        (store_id, woo_id, name, slug, parent_woo_id, image_url, menu_order, count, meta_data, digest)
    SELECT DISTINCT ON (r.woo_id) %(store)s, r.woo_id, r.name, r.slug, 0, '', 0, 0, '[]'::jsonb, ''
    FROM jsonb_to_recordset(%(filed)s::jsonb) AS r(woo_id bigint, name text, slug text)
    WHERE NOT EXISTS (SELECT FROM orders_category c WHERE c.store_id = %(store)s AND c.woo_id = r.woo_id)
    ORDER BY r.woo_id
    ON CONFLICT DO NOTHING
"""
_TAKE_OUT = """
    DELETE FROM orders_product_categories pc USING orders_product p, orders_category c
    WHERE p.store_id = %(store)s AND p.woo_id = ANY(%(products)s) AND pc.product_id = p.id AND c.id = pc.category_id
        AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset(%(filed)s::jsonb) AS r(product_woo_id bigint, woo_id bigint)
            WHERE r.product_woo_id = p.woo_id AND r.woo_id = c.woo_id
        )
"""
_PUT_IN = """
    INSERT INTO orders_product_categories (product_id, category_id)
    SELECT DISTINCT p.id, c.id
    FROM jsonb_to_recordset(%(filed)s::jsonb) AS r(product_woo_id bigint, woo_id bigint)
    JOIN orders_product p ON p.store_id = %(store)s AND p.woo_id = r.product_woo_id
    JOIN orders_category c ON c.store_id = %(store)s AND c.woo_id = r.woo_id
    ON CONFLICT DO NOTHING
"""


def _file_under_categories(store, products):
    filed = [category | {"product_woo_id": item.woo_id} for item in products for category in item.row["categories"]]
    parameters = {
        "store": store.pk,
        "products": [item.woo_id for item in products],
        "filed": orjson.dumps(filed).decode(),
    }
    with connection.cursor() as cursor:
        for sql in (_NEW_CATEGORIES, _TAKE_OUT, _PUT_IN):
            cursor.execute(sql, parameters)
