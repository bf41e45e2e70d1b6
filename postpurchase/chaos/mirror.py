"""Compares what is held with what the shop holds, field by field.

The shop's side is what its REST API answers, read here by hand: a mistake of the product's own mapping would hide itself.
"""

import html
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from crm.orders.models import (
    Category,
    Coupon,
    Customer,
    LineItem,
    Order,
    OrderNote,
    Product,
    ProductReview,
    Refund,
    RefundLine,
)
from crm.stores.models import Store
from postpurchase.demo.server import Demo
from postpurchase.demo.shop import Refused

NO_ORDERS = ("checkout-draft", "auto-draft", "draft")
Fields = dict[str, Callable[[dict], Any]]


def moment(name: str) -> Callable[[dict], datetime | None]:
    return lambda row: datetime.fromisoformat(row[name]).replace(tzinfo=UTC) if row[name] else None


def amount(name: str) -> Callable[[dict], str]:
    """Money is compared to the letter: the very digits that the shop wrote."""
    return lambda row: str(row[name] or "0")


def words(value: Any) -> str:
    return html.unescape(value or "")


def said(name: str) -> Callable[[dict], str]:
    return lambda row: words(row[name])


def plain(name: str) -> Callable[[dict], Any]:
    return lambda row: row[name]


def address(name: str) -> Callable[[dict], dict]:
    return lambda row: {key: words(part) for key, part in row[name].items()}


def meta(row: dict) -> list[dict]:
    return [{name: entry[name] for name in ("id", "key", "value")} for entry in row["meta_data"]]


ORDER: Fields = {
    **{name: plain(name) for name in ("number", "status", "currency", "order_key", "created_via", "prices_include_tax")},
    **{name: plain(name) for name in ("payment_method", "tax_lines", "shipping_lines", "fee_lines", "coupon_lines")},
    **{name: amount(name) for name in ("total", "total_tax", "shipping_total", "shipping_tax", "discount_total", "discount_tax")},
    **{name: moment(name) for name in ("date_created_gmt", "date_modified_gmt", "date_paid_gmt", "date_completed_gmt")},
    **{name: said(name) for name in ("payment_method_title", "customer_note")},
    **{name: address(name) for name in ("billing", "shipping")},
    "customer_woo_id": plain("customer_id"),
    "billing_email": lambda row: row["billing"]["email"].strip().lower(),
    "meta_data": meta,
}  # fmt: skip
LINE: Fields = {
    **{name: said(name) for name in ("name", "sku")},
    **{name: amount(name) for name in ("quantity", "price", "subtotal", "subtotal_tax", "total", "total_tax")},
    **{name: plain(name) for name in ("taxes", "meta_data")},
    "product_id_in_shop": plain("product_id"),
    "variation_id_in_shop": plain("variation_id"),
}
CUSTOMER: Fields = {
    **{name: moment(name) for name in ("date_created_gmt", "date_modified_gmt")},
    **{name: address(name) for name in ("billing", "shipping")},
    **{name: said(name) for name in ("username", "role")},
    "email": lambda row: row["email"].strip().lower(),
    "first_name": lambda row: words(row["first_name"] or row["billing"]["first_name"]),
    "last_name": lambda row: words(row["last_name"] or row["billing"]["last_name"]),
    "meta_data": meta,
}
PRODUCT: Fields = {
    **{name: said(name) for name in ("name", "slug", "sku", "type", "status", "stock_status")},
    **{name: moment(name) for name in ("date_created_gmt", "date_modified_gmt")},
    "stock_quantity": plain("stock_quantity"),
    "image_url": lambda row: row["images"][0]["src"] if row["images"] else "",
    "price": lambda row: row["price"] or None,
    "regular_price": lambda row: row["regular_price"] or None,
    "sale_price": lambda row: row["sale_price"] or None,
    "average_rating": amount("average_rating"),
    "rating_count": plain("rating_count"),
}
VARIATION: Fields = {
    **{name: PRODUCT[name] for name in ("sku", "type", "status", "date_created_gmt", "date_modified_gmt")},
    **{name: PRODUCT[name] for name in ("name", "price", "regular_price", "sale_price")},
    "attributes": plain("attributes"),
}
CATEGORY: Fields = {"name": said("name"), "slug": said("slug"), "parent_woo_id": plain("parent")}
COUPON: Fields = {
    **{name: plain(name) for name in ("code", "discount_type", "status", "usage_limit", "individual_use", "email_restrictions")},
    **{name: moment(name) for name in ("date_created_gmt", "date_modified_gmt", "date_expires_gmt")},
    "description": said("description"),
    "amount": amount("amount"),
}  # fmt: skip
# They move with each order and change no date of the coupon: a comparison brings them.
USES: Fields = {name: plain(name) for name in ("usage_count", "used_by")}
REVIEW: Fields = {
    **{name: plain(name) for name in ("status", "review", "rating", "verified")},
    **{name: said(name) for name in ("reviewer", "reviewer_email")},
    "date_created_gmt": moment("date_created_gmt"),
    "product_id_in_shop": plain("product_id"),
}
NOTE: Fields = {
    **{name: plain(name) for name in ("author", "note", "customer_note")},
    "date_created_gmt": moment("date_created_gmt"),
}


def differences(
    store: Store,
    demo: Demo,
    *,
    besides: Iterable[int] = (),
    since: datetime | None = None,
    hidden_notes: Container[int] = (),
    is_compared: bool = False,
) -> Iterator[str]:
    """Each thing that is held otherwise than the shop has it, in a sentence. `besides` are numbers of orders not to look at.

    Of history no notes are read: with `since`, when the shop was connected (by its clock), those of what changed later have to be there,
    besides `hidden_notes`, which the shop has left out of a list: no count tells of them. `is_compared`: a comparison has just been made,
    so that also what moves without a date has to be right.
    """
    yield from order_differences(store, demo, set(besides))
    yield from row_differences(store, demo, "customer", "customers", Customer, CUSTOMER)
    yield from row_differences(store, demo, "product", "products", Product, PRODUCT)
    yield from row_differences(store, demo, "variation", "variations", Product, VARIATION)
    yield from row_differences(store, demo, "category", "categories", Category, CATEGORY)
    yield from filing_differences(store, demo)
    yield from row_differences(store, demo, "coupon", "coupons", Coupon, COUPON | (USES if is_compared else {}))
    yield from row_differences(store, demo, "review", "reviews", ProductReview, REVIEW)
    yield from note_differences(store, demo, set(besides), since, hidden_notes)


def order_differences(store: Store, demo: Demo, besides: set[int]) -> Iterator[str]:
    with demo.shop.lock:
        rows = {row["id"]: row["status"] for row in demo.shop.rows["orders"].values() if row["id"] not in besides}
        wanted = {woo_id: demo.payload("order", woo_id) for woo_id, status in rows.items() if status not in NO_ORDERS}
        refunds = {woo_id: dict(row) for woo_id, row in demo.shop.rows["refunds"].items()}
        if not demo.shop.names_refunds:
            wanted = {
                woo_id: payload | {"refunds": demo.shop.rows["orders"][woo_id]["refunds"]}
                for woo_id, payload in wanted.items()
            }
    yield from held_twice(Order, store)
    held = Order.objects.filter(store=store).select_related("customer")
    found = {order.woo_id: order for order in held if order.woo_id not in besides}
    lines = children(
        LineItem.objects.filter(order__store=store).values("order__woo_id", "woo_id", *LINE), "order__woo_id"
    )
    for woo_id, order in found.items():
        is_gone = woo_id not in wanted or wanted[woo_id]["status"] == "trash"
        if is_gone and order.deleted_at is None:
            yield f"order {woo_id}: it is gone from the shop and still held"
        if not is_gone and order.deleted_at is not None:
            yield f"order {woo_id}: it is in the shop and held as deleted"
    for woo_id, payload in wanted.items():
        if payload["status"] == "trash":
            continue
        if woo_id not in found:
            yield f"order {woo_id}: missing"
            continue
        yield from fields_differing(f"order {woo_id}", found[woo_id], payload, ORDER)
        yield from owner_differing(found[woo_id], payload)
        yield from lines_differing(woo_id, lines.get(woo_id, {}), payload)
    yield from refunds_differing(store, wanted, refunds)


def payload_differences(store: Store, payloads: Iterable[dict], size: int = 500) -> Iterator[str]:
    """The same for orders by the thousand that no shop holds: each payload against its row and lines."""
    rest = iter(payloads)
    while batch := {payload["id"]: payload for payload in islice(rest, size)}:
        held = {order.woo_id: order for order in Order.objects.filter(store=store, woo_id__in=batch, deleted_at=None)}
        found = LineItem.objects.filter(order__store=store, order__woo_id__in=batch)
        lines = children(found.values("order__woo_id", "woo_id", *LINE), "order__woo_id")
        for woo_id, payload in batch.items():
            if woo_id not in held:
                yield f"order {woo_id}: missing"
                continue
            yield from fields_differing(f"order {woo_id}", held[woo_id], payload, ORDER)
            yield from lines_differing(woo_id, lines.get(woo_id, {}), payload)


def held_twice(model, store: Store) -> Iterator[str]:
    counts = Counter(model.objects.filter(store=store).exclude(woo_id=None).values_list("woo_id", flat=True))
    yield from (f"{model.__name__} {woo_id}: held {count} times" for woo_id, count in counts.items() if count > 1)


def children(rows: Iterable[Any], parent: str) -> dict[int, dict[int, dict]]:
    found: dict[int, dict[int, dict]] = {}
    for row in rows:
        found.setdefault(row[parent], {})[row["woo_id"]] = row
    return found


def fields_differing(what: str, row: Any, payload: dict, fields: Fields) -> Iterator[str]:
    for name, read in fields.items():
        held, wanted = (row[name] if isinstance(row, dict) else getattr(row, name)), read(payload)
        if isinstance(held, Decimal):
            held = f"{held:f}"
        if held != wanted:
            yield f"{what}: {name} is {held!r}, in the shop {wanted!r}"


def owner_differing(order: Order, payload: dict) -> Iterator[str]:
    if payload["customer_id"]:
        if order.customer is None or order.customer.woo_id != payload["customer_id"]:
            yield f"order {order.woo_id}: it is not held for customer {payload['customer_id']}"
    elif payload["billing"]["email"] and order.customer is None:
        yield f"order {order.woo_id}: it is held for nobody"


def lines_differing(woo_id: int, held: dict[int, dict], payload: dict) -> Iterator[str]:
    wanted = {line["id"]: line for line in payload["line_items"]}
    if set(held) != set(wanted):
        yield f"order {woo_id}: its lines are {sorted(held)}, in the shop {sorted(wanted)}"
    for number in held.keys() & wanted.keys():
        yield from fields_differing(f"order {woo_id}, line {number}", held[number], wanted[number], LINE)


def refunds_differing(store: Store, orders: dict[int, dict], shop_refunds: dict[int, dict]) -> Iterator[str]:
    held = children(
        Refund.objects.filter(store=store).values("order__woo_id", "woo_id", "amount", "reason", "lines_synced_at"),
        "order__woo_id",
    )
    lines = children(
        RefundLine.objects.filter(refund__store=store).values(
            "refund__woo_id", "woo_id", "quantity", "total", "total_tax", "line_item__woo_id"
        ),
        "refund__woo_id",
    )
    totals = dict(Order.objects.filter(store=store).values_list("woo_id", "refunded_total"))
    for woo_id, payload in orders.items():
        if payload["status"] == "trash" or woo_id not in totals:
            continue
        wanted = {row["id"]: (Decimal(row["total"]).copy_abs(), words(row["reason"])) for row in payload["refunds"]}
        found = {number: (row["amount"], row["reason"]) for number, row in held.get(woo_id, {}).items()}
        if found != wanted:
            yield f"order {woo_id}: its refunds are {found}, in the shop {wanted}"
        if totals[woo_id] != sum((total for total, _reason in wanted.values()), Decimal(0)):
            yield f"order {woo_id}: {totals[woo_id]} is held as refunded, in the shop {wanted}"
        for number, row in held.get(woo_id, {}).items():
            if row["lines_synced_at"] is None:
                yield f"refund {number}: its lines were never read"
            elif number in shop_refunds:
                yield from refund_lines_differing(number, lines.get(number, {}), shop_refunds[number])


def refund_lines_differing(number: int, held: dict[int, dict], refund: dict) -> Iterator[str]:
    def taken_back(line: dict) -> int | None:
        values = [entry["value"] for entry in line["meta_data"] if entry["key"] == "_refunded_item_id"]
        return int(values[0]) if values else None

    found = {
        woo_id: (row["quantity"], row["total"], row["total_tax"], row["line_item__woo_id"])
        for woo_id, row in held.items()
    }
    wanted = {
        line["id"]: (abs(Decimal(line["quantity"])), abs(Decimal(line["total"])), abs(Decimal(line["total_tax"])), taken_back(line))
        for line in refund["line_items"]
    }  # fmt: skip
    if found != wanted:
        yield f"refund {number}: its lines are {found}, in the shop {wanted}"


def row_differences(store: Store, demo: Demo, what: str, table: str, model, fields: Fields) -> Iterator[str]:
    """Rows without children: customers, products, their variations."""
    with demo.shop.lock:
        wanted = {}
        for woo_id, row in demo.shop.rows[table].items():
            if row.get("status") == "trash":
                continue
            try:
                wanted[woo_id] = demo.payload(what, woo_id)
            except Refused:
                continue
    yield from held_twice(model, store)
    held = model.objects.filter(store=store).exclude(woo_id=None)
    if model is Product:
        held = held.filter(parent__isnull=what != "variation")
    found = {row.woo_id: row for row in held}
    for woo_id, row in found.items():
        if (row.deleted_at is None) != (woo_id in wanted):
            state = "held as deleted" if row.deleted_at else "gone from the shop and still held"
            yield f"{what} {woo_id}: {state}"
    for woo_id, payload in wanted.items():
        if woo_id not in found:
            # A review that was spam before anybody looked is in no list.
            if payload.get("status") != "spam":
                yield f"{what} {woo_id}: missing"
        else:
            yield from fields_differing(f"{what} {woo_id}", found[woo_id], payload, fields)


def filing_differences(store: Store, demo: Demo) -> Iterator[str]:
    """Products that are held in other categories than they are in."""
    pairs = Product.categories.through.objects.filter(product__store=store, product__deleted_at=None)
    found: dict[int, set[int]] = {}
    for product, category in pairs.values_list("product__woo_id", "category__woo_id"):
        found.setdefault(product, set()).add(category)
    with demo.shop.lock:
        wanted = {woo_id: set(row["categories"]) for woo_id, row in demo.shop.rows["products"].items()}
    for woo_id, held in found.items():
        if woo_id in wanted and held != wanted[woo_id]:
            yield f"product {woo_id}: it is held in the categories {held}, in the shop {wanted[woo_id]}"


def note_differences(
    store: Store, demo: Demo, besides: set[int], since: datetime | None, hidden: Container[int]
) -> Iterator[str]:
    """All notes but the hidden ones: of the orders of which there is any here, and of those that changed since then."""
    held = OrderNote.objects.filter(store=store, order__deleted_at=None).exclude(order__woo_id__in=besides)
    found = {note.woo_id: note for note in held.select_related("order")}
    read = {note.order.woo_id for note in found.values()}
    with demo.shop.lock:
        for row in demo.shop.rows["orders"].values():
            if since and row["status"] not in (*NO_ORDERS, "trash") and is_news(row["date_modified_gmt"], since):
                read.add(row["id"])
        numbers = [row["id"] for row in demo.shop.rows["notes"].values() if row["order_id"] in read - besides]
        wanted = {number: demo.payload("note", number) for number in numbers}
    for number in found.keys() | wanted.keys():
        if number in hidden:
            continue
        if number not in found:
            yield f"note {number}: missing: {wanted[number]['note']}"
        elif number not in wanted:
            yield f"note {number}: gone from the shop and still held"
        else:
            yield from fields_differing(f"note {number}", found[number], wanted[number], NOTE)


def is_news(text: str | None, since: datetime) -> bool:
    """By the shop's own stamp: whether it happened since the shop was connected."""
    return bool(text and datetime.fromisoformat(text).replace(tzinfo=UTC) >= since)
