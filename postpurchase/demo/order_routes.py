"""Orders, their notes and refunds over REST."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime

from .orders import STATUSES, TRACKING
from .params import invalid, listing, not_one_of, within
from .rest import Call, Refused, Response, refused_body, route
from .web import json_response

READABLE = ("any", "trash", "auto-draft", *STATUSES)
WRITABLE = ("auto-draft", *STATUSES)
LISTINGS = itertools.count()
SOUGHT = ("first_name", "last_name", "email", "phone", "company", "address_1", "city")


def list_orders(call: Call) -> Response:
    asked = listing(call.params, orderby=("date", "id", "include", "title", "slug", "modified"), statuses=READABLE)
    rows = list(call.shop.rows["orders"].values())
    named = [status for status in asked.statuses if status != "any"]
    if asked.statuses and "any" not in asked.statuses:
        rows = [row for row in rows if row["status"] in named]
    else:
        rows = [row for row in rows if row["status"] != "trash"]
    rows = within(call.shop, rows, call.params)
    tests: dict[str, Callable[[dict, str], bool]] = {
        "customer": lambda row, value: str(row["customer_id"]) == value,
        "product": lambda row, value: any(str(line["product_id"]) == value for line in row["line_items"]),
        "created_via": lambda row, value: row["created_via"] in value.split(","),
        "parent": lambda row, value: row["parent_id"] in asked.ids("parent"),
        "include": lambda row, value: row["id"] in asked.ids("include"),
        "exclude": lambda row, value: row["id"] not in asked.ids("exclude"),
        "search": is_found,
    }
    for name, test in tests.items():
        if call.params.get(name, "") != "":
            value = call.params[name]
            rows = [row for row in rows if test(row, value)]
    # Ties of `modified` fall anew on every request: a walk in this order misses and repeats rows, as on a real shop.
    salt = next(LISTINGS)
    keys: dict[str, Callable[[dict], tuple]] = {
        "modified": lambda row: (row["date_modified_gmt"], hash((row["id"], salt))),
        "date": lambda row: (row["date_created_gmt"], row["id"]),
    }
    rows.sort(key=keys.get(asked.orderby, lambda row: (row["id"],)), reverse=asked.order == "desc")
    return call.page(rows, asked, call.render.order)


def is_found(row: dict, text: str) -> bool:
    hay = [row["billing"][key] for key in SOUGHT] + [line["name"] for line in row["line_items"]] + [str(row["id"])]
    return text.lower() in " ".join(hay).lower()


def get_order(call: Call, order_id: int) -> Response:
    return call.answer(call.render.order(call.shop.order(order_id)))


def check_order(call: Call) -> dict:
    fields = {key: value for key, value in call.body.items() if key != "id"}
    if fields.get("status", "pending") not in WRITABLE:
        if not call.batched:
            raise invalid(status=not_one_of("status", WRITABLE))
        del fields["status"]  # a batch checks nothing, and an unknown status becomes none
    return fields


def create_order(call: Call) -> Response:
    order = call.shop.create_order(**check_order(call))
    return call.created(call.render.order(order), f"orders/{order['id']}")


def update_order(call: Call, order_id: int) -> Response:
    fields = check_order(call)
    if order_id not in call.shop.rows["orders"]:
        raise Refused("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 400)
    return call.answer(call.render.order(call.shop.update_order(order_id, **fields)))


def delete_order(call: Call, order_id: int) -> Response:
    answer = json.loads(json.dumps(call.render.order(call.shop.order(order_id))))  # as it was, not as it becomes
    (call.shop.delete if call.force else call.shop.trash)(order_id)
    return call.answer(answer)


def list_statuses(call: Call) -> Response:
    return json_response([{"slug": slug, "name": name} for slug, name in STATUSES.items()])


def list_notes(call: Call, order_id: int) -> Response:
    call.shop.order(order_id)
    kind = call.params.get("type", "any")
    notes = [n for n in call.shop.notes(order_id) if kind == "any" or n["customer_note"] == (kind == "customer")]
    return call.answer([call.render.note(note) for note in notes])


def note_row(call: Call, order_id: int, note_id: int) -> dict:
    call.shop.order(order_id)
    note = call.shop.rows["notes"].get(note_id)
    if note is None or note["order_id"] != order_id:
        raise Refused("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)
    return note


def get_note(call: Call, order_id: int, note_id: int) -> Response:
    return call.answer(call.render.note(note_row(call, order_id, note_id)))


def create_note(call: Call, order_id: int) -> Response:
    if "note" not in call.body:
        raise Refused("rest_missing_callback_param", "Missing parameter(s): note", 400, params=["note"])
    author = "admin" if call.body.get("added_by_user") else "WooCommerce"
    note = call.shop.add_note(order_id, call.body["note"], bool(call.body.get("customer_note")), author)
    return call.created(call.render.note(note), f"orders/{order_id}/notes/{note['id']}")


def delete_note(call: Call, order_id: int, note_id: int) -> Response:
    answer = call.render.note(note_row(call, order_id, note_id))
    if not call.force:
        raise Refused("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
    call.shop.drop("notes", note_id)
    return call.answer(answer)


def list_refunds(call: Call, order_id: int | None = None) -> Response:
    asked = listing(call.params)
    # Of an order that is gone the list is empty, as WooCommerce has it: it filters by the number alone.
    rows = [row for row in call.shop.rows["refunds"].values() if order_id in (None, row["parent_id"])]
    if wanted := asked.ids("include"):
        rows = [row for row in rows if row["id"] in wanted]
    rows = within(
        call.shop, rows, {key: call.params[key] for key in ("after", "before", "dates_are_gmt") if key in call.params}
    )
    rows.sort(
        key=lambda row: row["id"] if asked.orderby == "id" else (row["date_created_gmt"], row["id"]),
        reverse=asked.order == "desc",
    )
    return call.page(rows, asked, lambda row: call.render.refund(row, listed=order_id is None))


def refund_row(call: Call, order_id: int, refund_id: int) -> dict:
    call.shop.order(order_id)
    refund = call.shop.rows["refunds"].get(refund_id)
    if refund is None or refund["parent_id"] != order_id:
        raise Refused("woocommerce_rest_invalid_order_refund_id", "Invalid order refund ID.", 404)
    return refund


def get_refund(call: Call, order_id: int, refund_id: int) -> Response:
    return call.answer(call.render.refund(refund_row(call, order_id, refund_id)))


def create_refund(call: Call, order_id: int) -> Response:
    known = ("amount", "reason", "line_items", "api_refund", "api_restock", "meta_data")
    given = {key: call.body[key] for key in known if key in call.body}
    refund = call.shop.create_refund(order_id, **{"api_refund": True} | given)
    # WooCommerce forgets to put the order's id into this address.
    return call.created(call.render.refund(refund), rf"orders/(?P<order_id>[\d]+)/refunds/{refund['id']}")


def delete_refund(call: Call, order_id: int, refund_id: int) -> Response:
    answer = call.render.refund(refund_row(call, order_id, refund_id))
    if not call.force:
        raise Refused("woocommerce_rest_trash_not_supported", "Refunds do not support trashing.", 501)
    call.shop.delete_refund(refund_id)
    return call.answer(answer)


def batch_orders(call: Call) -> Response:
    """Create, update and delete up to 100; the answer is a 200 with an error in the place of each failed item."""
    groups = {name: call.body.get(name) or [] for name in ("create", "update", "delete")}
    if sum(map(len, groups.values())) > 100:
        message = "Unable to accept more than 100 items for this request."
        raise Refused("woocommerce_rest_request_entity_too_large", message, 413)
    out: dict[str, list] = {}
    for name, items in groups.items():
        for item in items:
            row_id = item if isinstance(item, int) else item.get("id", 0)
            try:
                part = Call(
                    call.shop, call.request, {"force": "true"}, item if isinstance(item, dict) else {}, batched=True
                )
                if name == "create":
                    answer = create_order(part)
                else:
                    answer = (update_order if name == "update" else delete_order)(part, row_id)
                out.setdefault(name, []).append(json.loads(answer.body))
            except Refused as refusal:
                out.setdefault(name, []).append({"id": row_id, "error": refused_body(refusal)})
    return json_response(out)


def list_trackings(call: Call, order_id: int) -> Response:
    """Shipment Tracking's own route over the same meta."""
    meta = call.shop.order(order_id)["meta_data"]
    held: list[dict] = next((m["value"] for m in meta if m["key"] == TRACKING), [])
    return json_response(
        [
            {
                "tracking_id": item["tracking_id"],
                "tracking_provider": item["tracking_provider"] or item["custom_tracking_provider"],
                "tracking_link": item["custom_tracking_link"],
                "tracking_number": item["tracking_number"],
                "date_shipped": shipped_on(call, item["date_shipped"]),
            }
            for item in held
        ]
    )


def shipped_on(call: Call, seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), call.shop.zone).strftime("%Y-%m-%d") if seconds else ""


ROUTES = [
    route("orders", GET=list_orders, POST=create_order),
    route("orders/statuses", GET=list_statuses),
    route("orders/batch", POST=batch_orders, allow="POST, PUT, PATCH"),
    route("orders/<id>", GET=get_order, PUT=update_order, DELETE=delete_order),
    route("orders/<id>/notes", GET=list_notes, POST=create_note),
    route("orders/<id>/notes/<id>", GET=get_note, DELETE=delete_note),
    route("orders/<id>/refunds", GET=list_refunds, POST=create_refund),
    route("orders/<id>/refunds/<id>", GET=get_refund, DELETE=delete_refund),
    route("refunds", GET=list_refunds),
    route("orders/<id>/shipment-trackings", GET=list_trackings, root="/wp-json/wc-shipment-tracking/v3"),
]
