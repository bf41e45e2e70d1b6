from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from crm.orders import erasing
from crm.orders.models import LineItem, Refund
from crm.stores.models import Store

from .. import mapping, rereads
from ..values import when_of
from .buyers import add_buyers, keep_customers
from .deleting import add_up_refunds
from .facts import Before, record_facts
from .items import Item, Prepared, add, joined, make_item, prepare
from .page import Held, Mirror, Saved, counts, save, upsert
from .statements import array, bound_cursor

# An order that was placed changes a few times within seconds; its notes are read once after that.
SETTLING = timedelta(seconds=30)

MIRROR = Mirror(
    resource="orders",
    table="orders_order",
    columns={
        "woo_id": "bigint",
        "date_created_gmt": "timestamptz",
        "date_modified_gmt": "timestamptz",
        "meta_data": "jsonb",
        "number": "text",
        "status": "text",
        "currency": "text",
        "customer_woo_id": "bigint",
        "billing_email": "text",
        "order_key": "text",
        "created_via": "text",
        "prices_include_tax": "boolean",
        "total": "numeric",
        "total_tax": "numeric",
        "shipping_total": "numeric",
        "shipping_tax": "numeric",
        "discount_total": "numeric",
        "discount_tax": "numeric",
        "refunded_total": "numeric",
        "payment_method": "text",
        "payment_method_title": "text",
        "customer_note": "text",
        "date_paid_gmt": "timestamptz",
        "date_completed_gmt": "timestamptz",
        "billing": "jsonb",
        "shipping": "jsonb",
        "tax_lines": "jsonb",
        "shipping_lines": "jsonb",
        "fee_lines": "jsonb",
        "coupon_lines": "jsonb",
        "_is_paid": "boolean",
        "_coupon_codes": "text[]",
        "_customer": "bigint",
    },
    map=lambda payload: _item(payload, set()),
    held=Before._fields,
)


def save_orders(store: Store, payloads: Iterable[dict | Prepared], at: datetime, *, revive: bool = False) -> Saved:
    """Save orders with their lines and refunds, and record what happened to them as events.

    Carts (`checkout-draft`) are left out. The customer is the registered one, or the guest with the order's e-mail address
    (or whoever that guest was joined to); both are made where they are not held yet. A refund's lines come by `save_refunds`.
    """
    payloads = prepare(payloads)
    orders = [each for each in payloads if mapping.is_order(each.payload)]

    def write(items, held):
        return counts(items, held, _write(store, items, held, at))

    saved = save(replace(MIRROR, map=order_map(store)), store, orders, at, write, revive)
    saved.ignored += len(payloads) - len(orders)
    return saved


def order_map(store: Store) -> Callable[[dict], Item]:
    """How the store's orders are mapped."""
    return partial(_item, paid=set(store.paid_statuses))


def _item(payload: dict, paid: set[str]) -> Item:
    row, lines, refunds = mapping.order(payload)
    row["refunded_total"] = f"{sum((Decimal(refund['amount']) for refund in refunds), Decimal(0)):f}"
    item = make_item(row, payload, lines=lines, refunds=refunds)
    # After the digest was taken: it is the store's opinion and not the shop's.
    is_paid = row["is_paid"] = row["status"] in paid
    add(item, _is_paid=is_paid)
    if codes := mapping.coupon_codes(row["coupon_lines"]):
        add(item, _coupon_codes=codes)
    return item


# The customers are handed over: joined to their table, PostgreSQL without statistics would read all of the store's for every page.
_CUSTOMERS = """
    LEFT JOIN unnest(%(accounts)s::bigint[], %(customers)s::bigint[]) AS c(woo_id, id)
        ON r.customer_woo_id > 0 AND c.woo_id = r.customer_woo_id
    LEFT JOIN unnest(%(emails)s::text[], %(guests)s::bigint[]) AS g(email, id)
        ON r.customer_woo_id = 0 AND g.email = r.billing_email
"""

# The orders of the page by their numbers. Looked up in their table, PostgreSQL would rather read all orders of the store for every page.
_WRITTEN = "unnest(%(woo_ids)s::bigint[], %(pks)s::bigint[]) AS o(woo_id, id)"

_OF_LINE = (
    "product_id", "product_id_in_shop", "variation_id_in_shop", "name", "sku", "quantity", "price", "subtotal", "subtotal_tax", "total",
    "total_tax", "image_url", "taxes", "meta_data",
)  # fmt: skip
_LINES = f"""
    INSERT INTO orders_lineitem AS held (
        store_id, order_id, woo_id, {", ".join(_OF_LINE)})
    SELECT %(store)s, o.id, r.woo_id, coalesce(v.id, p.id), r.product_id_in_shop, r.variation_id_in_shop, r.name, r.sku,
        r.quantity, r.price, r.subtotal, r.subtotal_tax, r.total, r.total_tax, r.image_url, r.taxes, r.meta_data
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
        order_woo_id bigint, woo_id bigint, product_id_in_shop bigint, variation_id_in_shop bigint, name text, sku text,
        quantity numeric, price numeric, subtotal numeric, subtotal_tax numeric, total numeric, total_tax numeric,
        image_url text, taxes jsonb, meta_data jsonb)
    JOIN {_WRITTEN} ON o.woo_id = r.order_woo_id
    LEFT JOIN LATERAL (
        SELECT id FROM orders_product WHERE store_id = %(store)s AND woo_id = nullif(r.variation_id_in_shop, 0) LIMIT 1
    ) v ON true
    LEFT JOIN LATERAL (
        SELECT id FROM orders_product WHERE store_id = %(store)s AND woo_id = nullif(r.product_id_in_shop, 0) LIMIT 1
    ) p ON true
    ORDER BY o.id, r.woo_id
    ON CONFLICT (order_id, woo_id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in _OF_LINE)}
    -- Mostly an order changes and its lines do not. To the letter: 1.50 in place of 1.5 is another amount for who reads it.
    WHERE ({", ".join(f"held.{name}" for name in _OF_LINE)})::record
        *<> ({", ".join(f"EXCLUDED.{name}" for name in _OF_LINE)})::record
"""

_REFUNDS = f"""
    INSERT INTO orders_refund AS held (store_id, order_id, woo_id, amount, reason, refunded_payment, meta_data)
    SELECT %(store)s, o.id, r.woo_id, r.amount, r.reason, false, '[]'::jsonb
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(order_woo_id bigint, woo_id bigint, amount numeric, reason text)
    JOIN {_WRITTEN} ON o.woo_id = r.order_woo_id
    ORDER BY r.woo_id
    ON CONFLICT (store_id, woo_id) DO UPDATE
        SET order_id = EXCLUDED.order_id, amount = EXCLUDED.amount, reason = EXCLUDED.reason
        WHERE (held.order_id, held.amount, held.reason) IS DISTINCT FROM (EXCLUDED.order_id, EXCLUDED.amount, EXCLUDED.reason)
    RETURNING woo_id, order_id, amount, xmax = 0
"""

# Lines and refunds that the new version of an order does not have any more.
_STALE = f"""
    SELECT id FROM {{table}} held WHERE order_id = ANY(%(orders)s) AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(order_woo_id bigint, woo_id bigint)
        JOIN {_WRITTEN} ON o.woo_id = r.order_woo_id
        WHERE o.id = held.order_id AND r.woo_id = held.woo_id
    )
"""


def _write(store: Store, items: list[Item], held: dict[int, Held], at: datetime) -> dict[int, int]:
    kept = keep_customers(store, items, held)
    buyers = add_buyers(store, [item for item in items if item.woo_id not in kept])
    more = {
        "customer_id": "coalesce(c.id, r._customer, g.id)",
        "is_paid": "r._is_paid",
        "coupon_codes": "coalesce(r._coupon_codes, '{}')",
    }
    handed = {
        "accounts": array(buyers.accounts),
        "customers": array(buyers.accounts.values()),
        "emails": list(buyers.guests),
        "guests": array(buyers.guests.values()),
    }
    written = upsert(MIRROR, store, at, items, more=more, joins=_CUSTOMERS, parameters=handed, prepare=True)
    updated = [pk for woo_id, pk in written.items() if woo_id in held]
    _write_children(
        LineItem, _LINES, store, written, updated, joined(item.lines for item in items if item.woo_id in written)
    )
    refunds = joined(item.refunds for item in items if item.woo_id in written)
    naming = [written[item.woo_id] for item in items if item.woo_id in held and item.woo_id in written and item.refunds]
    returned, stale = _write_children(Refund, _REFUNDS, store, written, naming, refunds)
    unnamed = _refunded_before(store, set(updated) - set(naming))
    new = [row[:3] for row in returned if row[3]]
    lost = [(refund.woo_id, refund.order_id, refund.amount) for refund in stale]
    record_facts(store, items, held, written, buyers.new, new, lost, at)
    _follow_erasures(store, [item for item in items if item.woo_id in written], held, written, at)
    rereads.ask(_hints(store, [item for item in items if item.woo_id in written], held), at, after=SETTLING)
    unnamed |= {item.woo_id for item in items if item.woo_id in written and _is_silent(store, item, held)}
    rereads.ask(((store.pk, rereads.REFUNDS, woo_id) for woo_id in unnamed), at)
    return written


def _refunded_before(store: Store, orders: set[int]) -> set[int]:
    """The numbers of those of these orders that have refunds here, which therefore stay.

    Some versions of WooCommerce name no refunds in their orders at all: only the list of an order's own refunds tells that they are gone.
    """
    if not orders:
        return set()
    refunds = Refund.objects.filter(order__in=orders).order_by()
    found = set(refunds.values_list("order__woo_id", flat=True).distinct())
    if found:
        add_up_refunds(store, list(found))
    return found


def _is_silent(store: Store, item: Item, held: dict[int, Held]) -> bool:
    """Whether an order is refunded now and names no refund. Of history the list of all refunds tells."""
    if item.row["status"] != "refunded" or item.refunds or not Decimal(item.row["total"] or 0):
        return False
    was = held.get(item.woo_id)
    if was:
        return Before(*was.extra).status != "refunded"
    return _is_news(store, item)


def _is_news(store: Store, item: Item) -> bool:
    """Whether it was changed since the shop was connected, or made."""
    return store.announces(when_of(item.row["date_modified_gmt"] or item.row["date_created_gmt"]))


def _follow_erasures(store: Store, items: list[Item], held: dict[int, Held], written: dict[int, int], at) -> None:
    """Where the shop has erased somebody's data, no older copy of it stays behind."""
    orders: list[int] = []
    customers: set[int] = set()
    for item in items:
        before = Before(*held[item.woo_id].extra) if item.woo_id in held else Before()
        if before.billing_email and mapping.is_anonymised(item.row):
            orders.append(written[item.woo_id])
            customers |= {before.customer_id} if before.customer_id else set()
    if orders:
        erasing.follow_shop(store, orders, customers, at)


def _hints(store: Store, items: list[Item], held: dict[int, Held]) -> Iterator[tuple[int, str, int]]:
    """What a change of orders lets one suspect elsewhere: their notes, and accounts that were deleted."""
    for item in items:
        before = held.get(item.woo_id)
        # Of history, notes are read when it changes: one request an order is too much for all of it.
        if before or _is_news(store, item):
            yield store.pk, rereads.NOTES, item.woo_id
        if before and not item.row["customer_woo_id"] and (account := Before(*before.extra).customer_woo_id):
            yield store.pk, "customers", account


def _write_children(model, sql, store, written, updated, rows):
    """Replace what the orders have of lines or refunds; returns what the statement returns, and the rows that went."""
    stale = []
    named = {"store": store.pk, "rows": rows, "woo_ids": array(written), "pks": array(written.values())}
    with bound_cursor() as cursor:
        if updated:
            cursor.execute(_STALE.format(table=model._meta.db_table), named | {"orders": updated})
            if pks := [pk for (pk,) in cursor.fetchall()]:
                stale = list(model.objects.filter(pk__in=pks))
                # By Django, which knows what else refers to them.
                model.objects.filter(pk__in=pks).delete()
        if rows == "[]":
            return [], stale
        cursor.execute(sql, named)
        return cursor.fetchall() if cursor.description else [], stale
