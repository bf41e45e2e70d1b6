"""WooCommerce's JSON to rows of ours: pure functions without queries. Money and dates stay text; PostgreSQL reads them.

Each takes an object as the REST API or a webhook has it and returns a dict whose keys are columns (an order's and a refund's
have further dicts for their children). They raise MappingError for what can't be mirrored.
"""

from typing import Any

from .values import (
    MappingError,
    address,
    clipped,
    count,
    email,
    exact,
    language,
    meta,
    moment,
    money,
    number,
    objects,
    own_number,
    text,
    web_address,
)

# Carts and empty forms, not orders; they are in WooCommerce's default list all the same.
NO_ORDERS = ("checkout-draft", "auto-draft", "draft")


def is_order(payload: Any) -> bool:
    return not (isinstance(payload, dict) and payload.get("status") in NO_ORDERS)


def order(payload: dict) -> tuple[dict, list[dict], list[dict]]:
    """An order's row, its lines' and its refunds'."""
    woo_id = own_number(payload)
    billing, shipping = address(payload.get("billing")), address(payload.get("shipping"))
    entries = meta(payload.get("meta_data"))
    refunds = order_refunds(woo_id, payload)
    row = {
        "woo_id": woo_id,
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "date_modified_gmt": moment(payload, "date_modified_gmt"),
        "meta_data": entries,
        # Parts of addresses: a line break in a number would have none.
        "number": " ".join(exact(payload, "number", 100).split()) or str(woo_id),
        "status": exact(payload, "status", 100).removeprefix("wc-"),
        "currency": exact(payload, "currency", 10),
        "customer_woo_id": number(payload, "customer_id", 0),
        "billing_email": known_email(billing.get("email")),
        "order_key": clipped(payload.get("order_key"), 100),
        "created_via": clipped(payload.get("created_via"), 100),
        "prices_include_tax": payload.get("prices_include_tax") is True,
        "total": money(payload, "total"),
        "total_tax": money(payload, "total_tax"),
        "shipping_total": money(payload, "shipping_total"),
        "shipping_tax": money(payload, "shipping_tax"),
        "discount_total": money(payload, "discount_total"),
        "discount_tax": money(payload, "discount_tax"),
        "payment_method": clipped(payload.get("payment_method"), 200),
        "payment_method_title": text(payload.get("payment_method_title")),
        "customer_note": text(payload.get("customer_note")),
        "date_paid_gmt": moment(payload, "date_paid_gmt"),
        "date_completed_gmt": moment(payload, "date_completed_gmt"),
        "billing": billing,
        "shipping": shipping,
        "tax_lines": objects(payload.get("tax_lines")),
        "shipping_lines": objects(payload.get("shipping_lines")),
        "fee_lines": objects(payload.get("fee_lines")),
        "coupon_lines": objects(payload.get("coupon_lines")),
    }
    if not row["status"]:
        raise MappingError("status", payload.get("status"), "a status was expected")
    lines = {}
    for item in objects(payload.get("line_items")):
        line = line_item(item)
        lines[line["woo_id"]] = line | {"order_woo_id": woo_id}
    return row, list(lines.values()), refunds


def line_item(item: dict) -> dict:
    image = item.get("image")
    return {
        "woo_id": own_number(item),
        "product_id_in_shop": number(item, "product_id", 0),
        "variation_id_in_shop": number(item, "variation_id", 0),
        "name": text(item.get("name")),
        "sku": clipped(item.get("sku"), 200),
        "quantity": money(item, "quantity"),
        "price": money(item, "price"),
        "subtotal": money(item, "subtotal"),
        "subtotal_tax": money(item, "subtotal_tax"),
        "total": money(item, "total"),
        "total_tax": money(item, "total_tax"),
        "image_url": web_address(image.get("src")) if isinstance(image, dict) else "",
        "taxes": objects(item.get("taxes")),
        "meta_data": shown_meta(item.get("meta_data")),
    }


def shown_meta(value: Any) -> list[dict]:
    """A line's meta data with the words that people read (`display_key`, `display_value`)."""
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else meta(value)


def order_refunds(woo_id: int, payload: dict) -> list[dict]:
    """What an order says of its refunds: number, reason and (negative) total."""
    refunds = {}
    for item in objects(payload.get("refunds")):
        row = {
            "order_woo_id": woo_id,
            "woo_id": own_number(item),
            "amount": positive(money(item, "total")),
            "reason": text(item.get("reason")),
        }
        refunds[row["woo_id"]] = row
    return list(refunds.values())


def refund(payload: dict) -> tuple[dict, list[dict]]:
    """A refund's row and its lines'; `parent_id` names the order."""
    woo_id = own_number(payload)
    row = {
        "woo_id": woo_id,
        "order_woo_id": number(payload, "parent_id"),
        "amount": positive(money(payload, "amount")),
        "reason": text(payload.get("reason")),
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "refunded_payment": payload.get("refunded_payment") is True,
        "meta_data": meta(payload.get("meta_data")),
    }
    lines = {}
    for item in objects(payload.get("line_items")):
        line = {
            "refund_woo_id": woo_id,
            "woo_id": own_number(item),
            "line_woo_id": refunded_line(item),
            "name": text(item.get("name")),
            "quantity": positive(money(item, "quantity")),
            "total": positive(money(item, "total")),
            "total_tax": positive(money(item, "total_tax")),
        }
        lines[line["woo_id"]] = line
    return row, list(lines.values())


def refunded_line(item: dict) -> int | None:
    """The number of the order's line that a refund's line takes back."""
    for entry in meta(item.get("meta_data")):
        if entry["key"] == "_refunded_item_id":
            return count(entry.get("value"), None)
    return None


def positive(amount: str | None) -> str:
    return (amount or "0").removeprefix("-")


def customer(payload: dict) -> dict:
    billing, shipping = address(payload.get("billing")), address(payload.get("shipping"))
    entries = meta(payload.get("meta_data"))
    return {
        "woo_id": own_number(payload),
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "date_modified_gmt": moment(payload, "date_modified_gmt"),
        "meta_data": entries,
        "email": email(payload.get("email")),
        "first_name": clipped(payload.get("first_name") or billing.get("first_name"), 200),
        "last_name": clipped(payload.get("last_name") or billing.get("last_name"), 200),
        "phone": clipped(billing.get("phone") or shipping.get("phone"), 60),
        "username": clipped(payload.get("username"), 200),
        "role": clipped(payload.get("role"), 60),
        "language": language(entries),
        "is_paying_customer": payload.get("is_paying_customer") is True,
        "billing": billing,
        "shipping": shipping,
    }


def product(payload: dict) -> dict:
    """A product or a variation; `parent_woo_id` and `categories` (with number, name and slug) are resolved when saved."""
    images = objects(payload.get("images"))
    image = payload.get("image") if isinstance(payload.get("image"), dict) else None
    parent = number(payload, "parent_id", 0)
    return {
        "woo_id": own_number(payload),
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "date_modified_gmt": moment(payload, "date_modified_gmt"),
        "meta_data": meta(payload.get("meta_data")),
        # A grouped product's parent is another matter.
        "parent_woo_id": parent if payload.get("type") == "variation" else 0,
        "name": text(payload.get("name")),
        "slug": clipped(payload.get("slug"), 300),
        "sku": clipped(payload.get("sku"), 200),
        "type": clipped(payload.get("type") or "simple", 60),
        "status": clipped(payload.get("status"), 60),
        "permalink": web_address(payload.get("permalink")),
        "image_url": web_address((image or (images[0] if images else {})).get("src")),
        # HTML, so its entities stay.
        "short_description": str(payload.get("short_description") or ""),
        "price": money(payload, "price", None),
        "regular_price": money(payload, "regular_price", None),
        "sale_price": money(payload, "sale_price", None),
        "stock_status": clipped(payload.get("stock_status"), 60),
        "stock_quantity": count(payload.get("stock_quantity"), None),
        "reviews_allowed": payload.get("reviews_allowed") is not False,
        **stars(payload),
        "attributes": objects(payload.get("attributes")),
        "upsell_ids": numbers(payload.get("upsell_ids")),
        "cross_sell_ids": numbers(payload.get("cross_sell_ids")),
        "categories": [
            {"woo_id": own_number(item), "name": clipped(item.get("name"), 300), "slug": clipped(item.get("slug"), 300)}
            for item in objects(payload.get("categories"))
        ],
    }


def numbers(value: Any) -> list[int]:
    found = [count(item, None) for item in value] if isinstance(value, list) else []
    return [item for item in found if item]


def stars(payload: dict) -> dict:
    """What a product's reviews come to."""
    return {
        "average_rating": rating(payload.get("average_rating")),
        "rating_count": count(payload.get("rating_count")),
    }


def rating(value: Any) -> str:
    try:
        return money({"average_rating": value}, "average_rating") or "0" if 0 <= float(value or 0) <= 10 else "0"
    except (MappingError, TypeError, ValueError):
        return "0"


def category(payload: dict) -> dict:
    image = payload.get("image")
    return {
        "woo_id": own_number(payload),
        "date_created_gmt": None,
        "date_modified_gmt": None,
        "meta_data": [],
        "name": clipped(payload.get("name"), 300),
        "slug": clipped(payload.get("slug"), 300),
        "parent_woo_id": number(payload, "parent", 0),
        "image_url": web_address(image.get("src")) if isinstance(image, dict) else "",
        "menu_order": count(payload.get("menu_order")),
        "count": count(payload.get("count")),
    }


def coupon(payload: dict) -> dict:
    return {
        "woo_id": own_number(payload),
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "date_modified_gmt": moment(payload, "date_modified_gmt"),
        "meta_data": meta(payload.get("meta_data")),
        "code": exact(payload, "code", 200),
        "amount": money(payload, "amount"),
        "discount_type": clipped(payload.get("discount_type"), 60),
        "status": clipped(payload.get("status"), 60),
        "description": text(payload.get("description")),
        "date_expires_gmt": moment(payload, "date_expires_gmt"),
        "usage_count": count(payload.get("usage_count")),
        "usage_limit": count(payload.get("usage_limit"), None),
        "individual_use": payload.get("individual_use") is True,
        "email_restrictions": texts(payload.get("email_restrictions")),
        "used_by": texts(payload.get("used_by")),
    }


def texts(value: Any) -> list[str]:
    """A list of addresses or numbers as texts in lower case."""
    return [clipped(item, 320).lower() for item in (value if isinstance(value, list) else []) if item]


def coupon_codes(lines: list[dict]) -> list[str]:
    """The codes of an order's coupon lines, as WooCommerce compares them: in lower case."""
    return sorted({clipped(line.get("code"), 200).strip().lower() for line in lines} - {""})


def note(payload: dict) -> dict:
    """A note beside an order."""
    return {
        "woo_id": own_number(payload),
        "author": clipped(payload.get("author"), 250),
        # HTML, so its entities stay.
        "note": str(payload.get("note") or ""),
        "customer_note": payload.get("customer_note") is True,
        "date_created_gmt": moment(payload, "date_created_gmt"),
    }


def review(payload: dict) -> dict:
    """A review of a product, without the pictures and links that WordPress adds."""
    stars = count(payload.get("rating")) or 0
    return {
        "woo_id": own_number(payload),
        "date_created_gmt": moment(payload, "date_created_gmt"),
        "date_modified_gmt": None,
        "meta_data": [],
        "product_id_in_shop": number(payload, "product_id", 0),
        "status": clipped(payload.get("status"), 30),
        "reviewer": clipped(payload.get("reviewer"), 250),
        "reviewer_email": known_email(payload.get("reviewer_email")),
        "review": str(payload.get("review") or ""),
        "rating": min(max(stars, 0), 5),
        "verified": payload.get("verified") is True,
    }


# What WordPress's eraser writes in the place of an address.
ERASED_EMAIL = "deleted@site.invalid"


def known_email(value: Any) -> str:
    """An address that is somebody's."""
    address = email(value)
    return "" if address == ERASED_EMAIL else address


def is_anonymised(row: dict) -> bool:
    """Whether the shop has erased the personal data of an order (a row of `order`)."""
    marks = (entry.get("value") for entry in row["meta_data"] if entry["key"] == "_anonymized")
    return email(row["billing"].get("email")) == ERASED_EMAIL or "yes" in marks
