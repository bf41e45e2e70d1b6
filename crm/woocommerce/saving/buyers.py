"""The customers of orders: rows for those who are not held yet."""

from dataclasses import dataclass, field
from datetime import datetime

from crm.orders.models import Customer
from crm.stores.models import Store

from .. import mapping
from ..values import clipped, language
from .facts import Before
from .items import Item, add, encode
from .page import Held
from .statements import array, bound_cursor

# Each is looked up by itself: with a join PostgreSQL would, without statistics, read all customers of the store for every page.
_ACCOUNTS = """
    SELECT r.woo_id, c.id FROM unnest(%(woo_ids)s::bigint[]) AS r(woo_id)
    CROSS JOIN LATERAL (SELECT id FROM orders_customer WHERE store_id = %(store)s AND woo_id = r.woo_id LIMIT 1) c
"""
_UNKNOWN_ACCOUNTS = """
    INSERT INTO orders_customer (
        store_id, woo_id, email, first_name, last_name, phone, username, role, language, is_paying_customer,
        billing, shipping, meta_data, digest)
    SELECT %(store)s, r.woo_id, '', '', '', '', '', '', '', false, '{}'::jsonb, '{}'::jsonb, '[]'::jsonb, ''
    FROM unnest(%(woo_ids)s::bigint[]) AS r(woo_id)
    ORDER BY r.woo_id
    ON CONFLICT (store_id, woo_id) DO NOTHING
"""

# A guest looks as on the order that was changed last. `synced_at` is of accounts alone: an index asks for it, so that each change of it would
# have to be written into all of the table's indexes.
_GUESTS = """
    INSERT INTO orders_customer AS held (
        store_id, email, first_name, last_name, phone, username, role, language, is_paying_customer,
        billing, shipping, meta_data, digest, date_created_gmt, date_modified_gmt)
    SELECT %(store)s, r.email, r.first_name, r.last_name, r.phone, '', '', r.language, r.has_paid,
        r.billing, r.shipping, '[]'::jsonb, '', r.created, r.modified
    FROM jsonb_to_recordset(%(guests)s::jsonb) AS r(
        email text, first_name text, last_name text, phone text, language text, has_paid boolean,
        billing jsonb, shipping jsonb, created timestamptz, modified timestamptz)
    ORDER BY r.email
    ON CONFLICT (store_id, email) WHERE woo_id IS NULL DO UPDATE SET
        first_name = EXCLUDED.first_name, last_name = EXCLUDED.last_name, phone = EXCLUDED.phone,
        language = CASE WHEN EXCLUDED.language <> '' THEN EXCLUDED.language ELSE held.language END,
        is_paying_customer = held.is_paying_customer OR EXCLUDED.is_paying_customer,
        billing = EXCLUDED.billing, shipping = EXCLUDED.shipping,
        date_created_gmt = least(held.date_created_gmt, EXCLUDED.date_created_gmt),
        date_modified_gmt = EXCLUDED.date_modified_gmt
    WHERE held.date_modified_gmt IS NULL OR held.date_modified_gmt <= EXCLUDED.date_modified_gmt
        OR held.date_created_gmt > EXCLUDED.date_created_gmt
    RETURNING email, coalesce(joined_to_id, id), id, date_created_gmt, xmax = 0
"""
# Those that have come later than what is held, so that they were not written.
_KNOWN_GUESTS = """
    SELECT email, coalesce(joined_to_id, id) FROM orders_customer
    WHERE store_id = %(store)s AND woo_id IS NULL AND email = ANY(%(emails)s)
"""


@dataclass
class Buyers:
    """The customers of orders: accounts by their numbers in the shop, guests by their addresses (themselves, or whom they were joined to)."""

    accounts: dict[int, int] = field(default_factory=dict)
    guests: dict[str, int] = field(default_factory=dict)
    # Primary key and first order's date, of guests.
    new: list[tuple[int, datetime | None]] = field(default_factory=list)


def add_buyers(store: Store, items: list[Item]) -> Buyers:
    """Make sure that there is a customer for each order."""
    registered = {item.row["customer_woo_id"] for item in items} - {0}
    guests: dict[str, dict] = {}
    for item in sorted(items, key=lambda item: item.row["date_modified_gmt"] or ""):
        row = item.row
        if row["customer_woo_id"] or not row["billing_email"]:
            continue
        guest = _guest(row)
        if other := guests.get(row["billing_email"]):
            guest["created"] = min(filter(None, [guest["created"], other["created"]]), default=None)
            guest["has_paid"] = guest["has_paid"] or other["has_paid"]
            guest["language"] = guest["language"] or other["language"]
        guests[row["billing_email"]] = guest
    return Buyers(_accounts(store, registered), *_guests(store, guests))


def _accounts(store: Store, woo_ids: set[int]) -> dict[int, int]:
    if not woo_ids:
        return {}
    with bound_cursor() as cursor:
        cursor.execute(_ACCOUNTS, {"store": store.pk, "woo_ids": array(woo_ids)})
        accounts = dict(cursor.fetchall())
        if unknown := woo_ids - accounts.keys():
            named = {"store": store.pk, "woo_ids": array(unknown)}
            cursor.execute(_UNKNOWN_ACCOUNTS, named)
            cursor.execute(_ACCOUNTS, named)
            accounts.update(cursor.fetchall())
    return accounts


def _guests(store: Store, guests: dict[str, dict]) -> tuple[dict[str, int], list[tuple[int, datetime | None]]]:
    if not guests:
        return {}, []
    with bound_cursor(prepare=True) as cursor:
        cursor.execute(_GUESTS, {"store": store.pk, "guests": encode(list(guests.values())).decode()})
        written = cursor.fetchall()
    found = {row[0]: row[1] for row in written}
    if rest := guests.keys() - found.keys():
        with bound_cursor() as cursor:
            cursor.execute(_KNOWN_GUESTS, {"store": store.pk, "emails": list(rest)})
            found.update(cursor.fetchall())
    return found, [row[2:4] for row in written if row[4]]


def keep_customers(store: Store, items: list[Item], held: dict[int, Held]) -> set[int]:
    """Have orders stay with the customer they were held with, where they lost only the account; returns their numbers.

    Deleting an account or erasing a person makes their orders guests' orders in the shop. What somebody bought does not
    become another's by that, and least of all does it become a person called deleted@site.invalid.
    """
    leaving = {
        item.woo_id: (item, customer_id)
        for item in items
        if not item.row["customer_woo_id"]
        and item.woo_id in held
        and (customer_id := Before(*held[item.woo_id].extra).customer_id)
    }
    if not leaving:
        return set()
    ids = {customer_id for _item, customer_id in leaving.values()}
    accounts = {
        pk: (email, deleted_at)
        for pk, email, deleted_at in Customer.objects.filter(store=store, pk__in=ids)
        .exclude(woo_id=None)
        .values_list("pk", "email", "deleted_at")
    }
    kept = set()
    for woo_id, (item, customer_id) in leaving.items():
        email, deleted_at = accounts.get(customer_id, (None, None))
        if deleted_at or item.row["billing_email"] == email or mapping.is_anonymised(item.row):
            add(item, _customer=customer_id)
            kept.add(woo_id)
    return kept


def _guest(row: dict) -> dict:
    billing, shipping = row["billing"], row["shipping"]
    return {
        "email": row["billing_email"],
        "first_name": clipped(billing.get("first_name"), 200),
        "last_name": clipped(billing.get("last_name"), 200),
        "phone": clipped(billing.get("phone") or shipping.get("phone"), 60),
        "language": language(row["meta_data"]),
        "has_paid": bool(row["is_paid"] or row["date_paid_gmt"]),
        "billing": billing,
        "shipping": shipping,
        "created": row["date_created_gmt"],
        "modified": row["date_modified_gmt"],
    }
