"""What each route of the REST API answers."""

from collections.abc import Callable

from . import settings
from .order_routes import ROUTES as ORDER_ROUTES
from .params import invalid, listing, not_one_of, within
from .rest import API, Call, Refused, Request, Response, route
from .shop import Shop
from .web import json_response
from .webhooks import TOPICS


def index(shop: Shop, request: Request) -> Response:
    if request.path.rstrip("/") == API:
        return json_response({"namespace": "wc/v3", "routes": {}})
    told = {
        "name": shop.name,
        "description": "Tea, spices and brass from Pune",
        "url": request.site,
        "home": request.site,
        "gmt_offset": shop.gmt_offset(),
        "timezone_string": shop.zone.key,
        "namespaces": ["oembed/1.0", "wc/store/v1", "wc/v1", "wc/v2", "wc/v3", "wc-shipment-tracking/v3", "wp/v2"],
        "authentication": {},
        "routes": {},
    }
    return Call(shop, request, dict(request.pairs), {}).answer(told)


def matches(params: dict, **tests: Callable[[dict, str], bool]) -> Callable[[dict], bool]:
    asked = [(test, params[name]) for name, test in tests.items() if params.get(name, "") != ""]
    return lambda row: all(test(row, value) for test, value in asked)


def sorted_rows(rows: list[dict], key: Callable, order: str) -> list[dict]:
    return sorted(rows, key=key, reverse=order == "desc")


# Customers


def list_customers(call: Call) -> Response:
    choices = ("id", "include", "name", "registered_date")
    asked = listing(call.params, orderby=choices, default="name", order="asc")
    role = call.params.get("role", "customer")
    keeps = matches(
        call.params,
        email=lambda row, value: row["email"].lower() == value.lower(),
        search=lambda row, value: (
            value.lower() in " ".join([row["email"], row["first_name"], row["last_name"], row["username"]]).lower()
        ),
        include=lambda row, value: row["id"] in asked.ids("include"),
        exclude=lambda row, value: row["id"] not in asked.ids("exclude"),
    )
    rows = [row for row in call.shop.rows["customers"].values() if keeps(row) and role in ("all", row["role"])]
    keys = {
        "name": lambda row: (row["username"], row["id"]),
        "registered_date": lambda row: (row["date_created_gmt"], row["id"]),
    }
    rows = sorted_rows(rows, keys.get(asked.orderby, lambda row: row["id"]), asked.order)
    return call.page(rows, asked, call.render.customer)


def get_customer(call: Call, customer_id: int) -> Response:
    answer = call.render.customer(call.shop.customer(customer_id))
    allow = answer["_links"]["self"][0]["targetHints"]["allow"]  # nobody may delete an administrator
    return call.answer(answer, headers=[("Allow", ", ".join(allow))])


def create_customer(call: Call) -> Response:
    require(call, "email")
    fields = {key: value for key, value in call.body.items() if key not in ("meta_data", "id")}
    meta = {"default_password_nag": "1"} if not fields.pop("password", None) else {}
    customer = call.shop.add_customer(**fields, meta=meta)
    return call.created(call.render.customer(customer), f"customers/{customer['id']}")


def update_customer(call: Call, customer_id: int) -> Response:
    return call.answer(call.render.customer(call.shop.update_customer(customer_id, **call.body)))


def delete_customer(call: Call, customer_id: int) -> Response:
    answer = call.render.customer(call.shop.customer(customer_id))
    if not call.force:
        raise Refused("woocommerce_rest_trash_not_supported", "Customers do not support trashing.", 501)
    call.shop.delete_customer(customer_id)
    answer["_links"]["self"][0].pop("targetHints")
    return call.answer(answer)


def list_downloads(call: Call, customer_id: int) -> Response:
    call.shop.customer(customer_id)
    out = []
    for order in call.shop.rows["orders"].values():
        if order["customer_id"] != customer_id or order["status"] not in ("processing", "completed"):
            continue
        for line in order["line_items"]:
            if product := call.shop.rows["products"].get(line["product_id"]):
                out += [call.render.download(order, product, file) for file in product["downloads"]]
    return call.answer(out)


# Products, their terms and reviews


def list_products(call: Call) -> Response:
    choices = (
        "date",
        "id",
        "include",
        "title",
        "slug",
        "modified",
        "price",
        "popularity",
        "rating",
        "menu_order",
        "post__in",
    )
    asked = listing(call.params, orderby=choices)
    statuses = asked.statuses or ["any"]
    keeps = matches(
        call.params,
        sku=lambda row, value: row["sku"] in value.split(","),
        type=lambda row, value: row["type"] == value,
        search=lambda row, value: value.lower() in f"{row['name']} {row['description']} {row['sku']}".lower(),
        category=lambda row, value: int(value) in row["categories"],
        tag=lambda row, value: int(value) in row["tags"],
        include=lambda row, value: row["id"] in asked.ids("include"),
        exclude=lambda row, value: row["id"] not in asked.ids("exclude"),
    )
    rows = [
        row
        for row in call.shop.rows["products"].values()
        if keeps(row) and (row["status"] in statuses or ("any" in statuses and row["status"] != "trash"))
    ]
    rows = within(call.shop, rows, call.params)
    keys = {
        "modified": lambda row: (row["date_modified_gmt"], row["id"]),
        "date": lambda row: (row["date_created_gmt"], row["id"]),
        "title": lambda row: (row["name"], row["id"]),
        "price": lambda row: (float(row["price"] or 0), row["id"]),
    }
    return call.page(
        sorted_rows(rows, keys.get(asked.orderby, lambda row: row["id"]), asked.order), asked, call.render.product
    )


def get_product(call: Call, product_id: int) -> Response:
    variation = call.shop.rows["variations"].get(product_id)
    return call.answer(call.render.product(variation or call.shop.product(product_id)))


def create_product(call: Call) -> Response:
    product = call.shop.add_product(**({"name": "Product"} | call.body))
    return call.created(call.render.product(product, edited=True), f"products/{product['id']}")


def unknown_is_400(find: Callable[[int], dict], row_id: int) -> dict:
    """A write to an unknown id is a 400 where reading it is a 404."""
    try:
        return find(row_id)
    except Refused as refusal:
        raise Refused(refusal.code, refusal.message, 400) from None


def update_product(call: Call, product_id: int) -> Response:
    unknown_is_400(call.shop.product, product_id)
    return call.answer(call.render.product(call.shop.update_product(product_id, **call.body), edited=True))


def delete_product(call: Call, product_id: int) -> Response:
    answer = call.render.product(call.shop.product(product_id), edited=True)
    (call.shop.delete_product if call.force else call.shop.trash_product)(product_id)
    return call.answer(answer)


def list_variations(call: Call, product_id: int) -> Response:
    asked = listing(call.params, orderby=("date", "id", "include", "title", "slug", "modified", "menu_order"))
    rows = [call.shop.rows["variations"][row_id] for row_id in call.shop.product(product_id)["variations"]]
    rows = sorted_rows(within(call.shop, rows, call.params), lambda row: row["id"], asked.order)
    return call.page(rows, asked, call.render.variation)


def get_variation(call: Call, product_id: int, variation_id: int) -> Response:
    variation = call.shop.rows["variations"].get(variation_id)
    if variation is None or variation["parent_id"] != product_id:
        raise Refused("woocommerce_rest_product_variation_invalid_id", "Invalid ID.", 404)
    return call.answer(call.render.variation(variation))


def terms(table: str, one: str):
    orderby = ("id", "include", "name", "slug", "term_group", "description", "count")

    def many(call: Call) -> Response:
        asked = listing(call.params, orderby=orderby, default="name", order="asc")
        keeps = matches(
            call.params,
            include=lambda row, value: row["id"] in asked.ids("include"),
            slug=lambda row, value: row["slug"] == value,
            search=lambda row, value: value.lower() in row["name"].lower(),
        )
        rows = [row for row in call.shop.rows[table].values() if keeps(row)]
        key = {"id": lambda row: row["id"], "slug": lambda row: row["slug"]}.get(
            asked.orderby, lambda row: (row["name"].lower(), row["id"])
        )
        return call.page(sorted_rows(rows, key, asked.order), asked, getattr(call.render, one))

    def single(call: Call, row_id: int) -> Response:
        row = call.shop.rows[table].get(row_id)
        if row is None:
            raise Refused("woocommerce_rest_term_invalid", "Resource does not exist.", 404)
        return call.answer(getattr(call.render, one)(row))

    return many, single


list_categories, get_category = terms("categories", "category")
list_tags, get_tag = terms("tags", "tag")


def list_reviews(call: Call) -> Response:
    asked = listing(call.params, orderby=("date", "date_gmt", "id", "include", "product"))
    wanted = call.params.get("status", "approved")
    keeps = matches(
        call.params,
        product=lambda row, value: row["product_id"] in asked.ids("product"),
        reviewer_email=lambda row, value: row["reviewer_email"] == value,
        include=lambda row, value: row["id"] in asked.ids("include"),
    )
    statuses = ("approved", "hold") if wanted == "all" else (wanted,)
    rows = [row for row in call.shop.rows["reviews"].values() if keeps(row) and row["status"] in statuses]
    rows = within(call.shop, rows, call.params)
    keys = {"id": lambda row: row["id"], "product": lambda row: (row["product_id"], row["id"])}
    rows = sorted_rows(rows, keys.get(asked.orderby, lambda row: (row["date_created_gmt"], row["id"])), asked.order)
    return call.page(rows, asked, call.render.review)


def get_review(call: Call, review_id: int) -> Response:
    return call.answer(call.render.review(call.shop.review(review_id)))


def create_review(call: Call) -> Response:
    require(call, "product_id", "review", "reviewer", "reviewer_email")
    review = call.shop.add_review(**call.body)
    return call.created(call.render.review(review), f"products/reviews/{review['id']}")


def delete_review(call: Call, review_id: int) -> Response:
    answer = call.render.review(call.shop.review(review_id))
    if call.force:
        call.shop.drop("reviews", review_id)
        return call.answer({"deleted": True, "previous": answer})
    return call.answer(call.render.review(call.shop.set_review_status(review_id, "trash")))


# Coupons and webhooks


def require(call: Call, *names: str) -> None:
    missing = [name for name in names if name not in call.body]
    if missing:
        message = f"Missing parameter(s): {', '.join(missing)}"
        raise Refused("rest_missing_callback_param", message, 400, params=missing)


def list_coupons(call: Call) -> Response:
    asked = listing(call.params, orderby=("date", "id", "include", "title", "slug", "modified"))
    keeps = matches(
        call.params,
        code=lambda row, value: row["code"] == value.lower(),
        search=lambda row, value: value.lower() in row["code"],
        include=lambda row, value: row["id"] in asked.ids("include"),
    )
    rows = [row for row in call.shop.rows["coupons"].values() if keeps(row) and row["status"] == "publish"]
    rows = within(call.shop, rows, call.params)
    by_date = "date_modified_gmt" if asked.orderby == "modified" else "date_created_gmt"
    rows = sorted_rows(rows, lambda row: row["id"] if asked.orderby == "id" else (row[by_date], row["id"]), asked.order)
    return call.page(rows, asked, call.render.coupon)


def get_coupon(call: Call, coupon_id: int) -> Response:
    return call.answer(call.render.coupon(call.shop.coupon(coupon_id)))


def check_coupon(call: Call) -> None:
    types = ("percent", "fixed_cart", "fixed_product")
    if call.body.get("discount_type", "percent") not in types:
        raise invalid(discount_type=not_one_of("discount_type", types))


def create_coupon(call: Call) -> Response:
    require(call, "code")
    check_coupon(call)
    coupon = call.shop.add_coupon(**call.body)
    return call.created(call.render.coupon(coupon), f"coupons/{coupon['id']}")


def update_coupon(call: Call, coupon_id: int) -> Response:
    check_coupon(call)
    unknown_is_400(call.shop.coupon, coupon_id)
    return call.answer(call.render.coupon(call.shop.update_coupon(coupon_id, **call.body)))


def delete_coupon(call: Call, coupon_id: int) -> Response:
    answer = call.render.coupon(call.shop.coupon(coupon_id))
    (call.shop.delete_coupon if call.force else call.shop.trash_coupon)(coupon_id)
    return call.answer(answer)


def webhook_row(call: Call, webhook_id: int) -> dict:
    row = call.shop.rows["webhooks"].get(webhook_id)
    if row is None:
        raise Refused("woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.", 404)
    return row


def list_webhooks(call: Call) -> Response:
    asked = listing(call.params, orderby=("date", "id", "title"))
    keeps = matches(call.params, status=lambda row, value: value in ("all", row["status"]))
    rows = [row for row in call.shop.rows["webhooks"].values() if keeps(row)]
    rows = sorted_rows(
        rows, lambda row: row["id"] if asked.orderby == "id" else (row["date_created_gmt"], row["id"]), asked.order
    )
    return call.page(rows, asked, call.render.webhook)


def get_webhook(call: Call, webhook_id: int) -> Response:
    return call.answer(call.render.webhook(webhook_row(call, webhook_id)))


def create_webhook(call: Call) -> Response:
    topic = str(call.body.get("topic", ""))
    resource, _, event = topic.partition(".")
    if event not in TOPICS.get(resource, {}):
        raise Refused(
            "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid.", 400
        )
    if not str(call.body.get("delivery_url", "")).startswith(("http://", "https://")):
        message = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise Refused("woocommerce_rest_shop_webhook_invalid_delivery_url", message, 400)
    name = call.body.get("name") or f"Webhook created on {call.shop.local(call.shop.at())}"
    webhook = call.shop.add_webhook(
        topic, call.body["delivery_url"], call.body.get("secret"), name=name, status=call.body.get("status", "active")
    )
    return call.created(call.render.webhook(webhook), f"webhooks/{webhook['id']}")


def update_webhook(call: Call, webhook_id: int) -> Response:
    unknown_is_400(lambda row_id: webhook_row(call, row_id), webhook_id)
    return call.answer(call.render.webhook(call.shop.update_webhook(webhook_id, **call.body)))


def delete_webhook(call: Call, webhook_id: int) -> Response:
    answer = call.render.webhook(webhook_row(call, webhook_id))
    if not call.force:
        raise Refused("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
    call.shop.drop("webhooks", webhook_id)
    return call.answer(answer)


# What the demo never writes is read-only here, though a real shop allows more and says so.
COLLECTION, ITEM = "GET, POST", "GET, POST, PUT, PATCH, DELETE"
ROUTES = [
    *ORDER_ROUTES,
    route("customers", GET=list_customers, POST=create_customer),
    route("customers/<id>", GET=get_customer, PUT=update_customer, DELETE=delete_customer, hides_allow=True),
    route("customers/<id>/downloads", GET=list_downloads),
    route("products", GET=list_products, POST=create_product),
    route("products/categories", GET=list_categories, allow=COLLECTION),
    route("products/categories/<id>", GET=get_category, allow=ITEM),
    route("products/tags", GET=list_tags, allow=COLLECTION),
    route("products/tags/<id>", GET=get_tag, allow=ITEM),
    route("products/reviews", GET=list_reviews, POST=create_review),
    route("products/reviews/<id>", GET=get_review, DELETE=delete_review, allow=ITEM),
    route("products/<id>", GET=get_product, PUT=update_product, DELETE=delete_product),
    route("products/<id>/variations", GET=list_variations, allow=COLLECTION),
    route("products/<id>/variations/<id>", GET=get_variation, allow=ITEM),
    route("coupons", GET=list_coupons, POST=create_coupon),
    route("coupons/<id>", GET=get_coupon, PUT=update_coupon, DELETE=delete_coupon),
    route("webhooks", GET=list_webhooks, POST=create_webhook),
    route("webhooks/<id>", GET=get_webhook, PUT=update_webhook, DELETE=delete_webhook),
    *settings.ROUTES,
]

# What a webhook of a resource carries: the answer to reading it.
PAYLOADS: dict[str, Callable[[Call, int], dict]] = {
    "order": lambda call, row_id: call.render.order(call.shop.order(row_id)),
    "customer": lambda call, row_id: call.render.customer(call.shop.customer(row_id)),
    "product": lambda call, row_id: call.render.product(call.shop.product(row_id)),
    "coupon": lambda call, row_id: call.render.coupon(call.shop.coupon(row_id)),
    # These have no webhooks.
    "variation": lambda call, row_id: call.render.variation(call.shop.rows["variations"][row_id]),
    "category": lambda call, row_id: call.render.category(call.shop.rows["categories"][row_id]),
    "review": lambda call, row_id: call.render.review(call.shop.review(row_id)),
    "note": lambda call, row_id: call.render.note(call.shop.rows["notes"][row_id]),
}
