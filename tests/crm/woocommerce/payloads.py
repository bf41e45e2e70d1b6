"""WooCommerce's JSON, made to measure from recorded objects."""

import copy
import itertools

from .recordings import body

_count = itertools.count(100_001)


def order(woo_id=None, at="2026-06-15T12:00:00", lines=1, **fields) -> dict:
    """A paid order of a registered customer, made and changed `at` (UTC, as WooCommerce writes it)."""
    payload = copy.deepcopy(body("order-one-processing"))
    woo_id = woo_id or next(_count)
    line = payload["line_items"][0]
    payload |= {
        "id": woo_id,
        "number": str(woo_id),
        "status": "processing",
        "customer_id": 7,
        "date_created_gmt": at,
        "date_modified_gmt": at,
        "date_paid_gmt": at,
        "refunds": [],
        "line_items": [copy.deepcopy(line) | {"id": woo_id * 10 + n} for n in range(lines)],
    }
    return payload | fields


def guest_order(email, **fields) -> dict:
    payload = order(customer_id=0, **fields)
    payload["billing"] = payload["billing"] | {"email": email, "first_name": "Meera"}
    return payload


def refund(order_woo_id, woo_id=None, at="2026-06-16T12:00:00", amount="10.00", line=None) -> dict:
    payload = copy.deepcopy(body("order-refund-one"))
    payload |= {"id": woo_id or next(_count), "parent_id": order_woo_id, "amount": amount, "date_created_gmt": at}
    item = payload["line_items"][0]
    item["id"] = next(_count)
    item["meta_data"] = [{"id": 1, "key": "_refunded_item_id", "value": str(line)}]
    if line is None:
        payload["line_items"] = []
    return payload


def summary(woo_id, total="-10.00", reason="") -> dict:
    """What an order says of one of its refunds."""
    return {"id": woo_id, "reason": reason, "total": total}
