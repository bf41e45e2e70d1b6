"""Every recorded request of a real WooCommerce is put to the demo shop, and the two answers must have one shape."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from postpurchase.demo import server
from tests.demo.shapes import walk

RECORDINGS = Path(__file__).parents[1] / "recordings" / "woocommerce"
NOW = datetime(2026, 11, 22, 0, 50, tzinfo=UTC)
# Told apart in the recordings by their port: here TLS ended in front of the shop, there it was plain http.
BEHIND_TLS, PLAIN = ":8901", ":8900"
# What follows from an earlier request, in the order in which it was recorded.
STORY = [
    "w-order-create-201",
    "w-order-update-status-200",
    "w-note-create-201",
    "w-note-private-201",
    "w-refund-amount-201",
    "w-refund-line-201",
    "w-refund-delete-200",
    "w-refund-full-201",
    "w-order-meta-200",
    "w-order-trash-200",
    "order-trashed-get",
    "w-order-untrash-200",
    "w-order-force-delete-200",
    "order-deleted-get-404",
    "w-customer-create-201",
    "w-customer-duplicate-400",
    "w-customer-update-200",
    "w-customer-delete-noforce-501",
    "w-customer-delete-200",
    "customer-deleted-get-404",
    "w-order-create-unpaid-201",
    "w-product-create-201",
    "w-product-trash-200",
    "w-product-force-200",
    "w-coupon-create-201",
    "w-coupon-duplicate-400",
    "w-coupon-update-200",
    "w-coupon-trash-200",
    "w-coupon-recreate-after-trash",
    "webhook-create-fail500",
    "webhook-create-redirect",
    "webhook-create-created201",
    "webhook-create-gone410",
    "webhook-reactivate-fail500",
    "webhook-reactivate-redirect",
    "webhook-reactivate-created201",
    "webhook-reactivate-gone410",
]
ALL = [path.stem for path in sorted(RECORDINGS.glob("*.json"))]
# Recordings that the demo answers with less, and why.
LESS = {
    "orders-options": "the demo describes only the arguments and properties that it knows, without WooCommerce's prose",
    "settings-general": "the demo offers a handful of countries and currencies",
}
HEADERS = ("Content-Type", "Allow", "X-WP-Total", "X-WP-TotalPages", "Link", "Location")


@cache
def recording(name: str) -> dict:
    held = json.loads((RECORDINGS / f"{name}.json").read_text())
    return held | {"headers": dict(held["headers"]), "json": json.loads(held["body"] or "null")}


def resource(name: str) -> str:
    """Which recordings answer with the same kind of thing: their path without ids, lists and items together."""
    path = urlsplit(recording(name)["request"]["url"]).path
    path = re.sub(r"products/\d+$", "products/", re.sub(r"orders/\d+/refunds", "refunds", path))
    what = re.sub(r"/\d+", "", path).rstrip("/")
    return "error" if recording(name)["status"] >= 400 else what


@cache
def known(kind: str) -> tuple[dict, dict]:
    """All types and keys that real answers of this kind have shown, per item."""
    types: dict = {}
    keys: dict = {}
    for name in ALL:
        if resource(name) == kind:
            body = recording(name)["json"]
            for item in body if isinstance(body, list) else [body]:
                walk(item, "", types, keys)
    return types, keys


@pytest.fixture(scope="module")
def world():
    """The seeded shop, a little more as it was when the recordings were made, and recorded ids by their like here."""
    shop = server.year_shop(7, now=lambda: NOW, customers=60, orders=500)
    shop.add_key("ck_ro", "cs_ro", "read")
    shop.add_key("ck_wo", "cs_wo", "write")
    shop.add_key("ck_low", "cs_low", may_manage=False)
    orders, customers, products = (list(shop.rows[table].values()) for table in ("orders", "customers", "products"))
    simple = [p for p in products if p["type"] == "simple" and p["images"] and p["price"]]
    chai = simple[0]
    chai["name"], chai["sku"] = "Masala Chai 250g", "SKU-001"
    stocked = next(p for p in simple if p["manage_stock"])
    variable = next(p for p in products if p["variations"])
    for email in ("priya@store.example", "MixedCase.User+tag@store.example"):
        shop.add_customer(email=email, first_name="P", last_name="पाटील", billing={"email": email, "city": "Pune"})
    people = {
        1: next(c for c in customers if c["role"] == "administrator"),
        4: next(c for c in customers if c["email"] == "asha@mail.example"),
        5: next(
            c
            for c in customers
            if [o["customer_id"] for o in orders if o["billing"]["email"] == c["email"]] == [c["id"]] * 3
        ),
        12: next(c for c in customers if not c["billing"]["email"] and c["role"] == "customer" and c["meta_data"]),
        65: customers[20],
    }

    def status(wanted: str, where=lambda o: True) -> dict:
        return next(o for o in orders if o["status"] == wanted and where(o))

    def email(wanted: str) -> dict:
        return next(o for o in orders if o["billing"]["email"] == wanted)

    def placed(lines: list[tuple], status: str) -> dict:
        return shop.place_order(customer_id=people[4]["id"], lines=lines, status=status, meta={"source": "organic"})

    def sent(lines: list[tuple]) -> dict:
        order = placed(lines, "processing")
        shop.ship(order["id"])
        return shop.complete(order["id"])

    one, any_colour = variable["variations"][0], variable["variations"][-1]
    several = [(variable["id"], one, 2), (stocked["id"], 1), (chai["id"], 3)]
    partial, full = sent(several), sent(several[:1])
    part = shop.refund(partial["id"], lines={partial["line_items"][0]["id"]: 1})
    shop.refund(full["id"], reason="Retoure – परत केले")
    meta = {"source": "organic"}
    wrapped = {"gift_wrap": True, "lines": several, "status": "on-hold", "meta": meta}
    guest = shop.place_order(email="guest@mail.example", coupon="welcome10", **wrapped)
    found = {
        60: guest,
        61: sent(several),
        67: partial,
        116: full,
        318: placed(several, "checkout-draft"),
        373: placed(several, "failed"),
        375: full,
        395: shop.place_order(email="new@mail.example", coupon="welcome10", **wrapped | {"freight": "0"}),
        397: placed(several, "processing"),
        408: shop.place_order(
            customer_id=people[65]["id"],
            lines=[(variable["id"], v, 1) for v in (one, any_colour)],
            status="cancelled",
            meta=meta,
        ),
        409: status("pending", lambda o: not o["line_items"]),
        411: email("a@b.example"),
        412: email("gone@mail.example"),
        413: status("trash", lambda o: True),
    }
    shop.set_meta(found[397], [{"key": "nested", "value": {"a": [1]}}, {"key": "list", "value": []}])
    shop.add_note(guest["id"], "Your parcel left पुणे today 🚚", to_customer=True, author="admin")
    for number in range(4):
        order = shop.place_order(email="x@mail.example", lines=[(chai["id"], 1)], at=NOW - timedelta(hours=3 + number))
        shop.pay(order["id"])
    for product in products[:8]:
        shop.update_product(product["id"])
    for order in orders[:8]:
        shop.update_order(order["id"])
    shop.place_order(email="x@mail.example", created_via="rest-api")
    for topic in ("order.created", "order.updated", "order.deleted", "coupon.created"):
        for number in range(3):
            shop.update_webhook(shop.add_webhook(topic, f"http://127.0.0.1:9/{number}")["id"])
    ids = {("orders", theirs): row["id"] for theirs, row in found.items()}
    ids |= {("customers", theirs): row["id"] for theirs, row in people.items()}
    ids |= {("products", 11): chai["id"], ("products", 12): stocked["id"], ("products", 39): variable["id"]}
    ids |= {("products", 45): variable["variations"][-1], ("variations", 45): variable["variations"][-1]}
    ids |= {("refunds", 68): part["id"], ("orders", 68): part["id"]}
    ids |= {("webhooks", 1): 1}
    with server.running(shop, behind_tls=True) as demo, server.running(shop) as plain:
        yield World(demo, plain, ids)


class World:
    def __init__(self, demo, plain, ids):
        self.demo, self.plain, self.ids, self.told = demo, plain, ids, {}

    def replay(self, name: str) -> requests.Response:
        asked = recording(name)["request"]
        parts = urlsplit(asked["url"])
        site = self.plain.url if PLAIN in asked["url"] else self.demo.url
        path = re.sub(r"([a-z]+)/(\d+)", lambda m: f"{m[1]}/{self.mine(m[1], int(m[2]))}", parts.path)
        query = parts.query
        for param, kind in (
            ("customer", "customers"),
            ("product", "products"),
            ("include", "orders"),
            ("exclude", "orders"),
        ):
            query = re.sub(rf"(?<!\w){param}=([\d%C]+)", lambda m, p=param, k=kind: f"{p}=" + re.sub(r"\d{2,}|[1-9](?!C)", lambda n: str(self.mine(k, int(n[0]))), m[1].replace("%2C", ",")), query)  # fmt: skip
        query = query.replace("cust2%40store", self.email(5))
        body = asked["body"]
        if body:
            body = re.sub(
                r'"(product_id|customer_id|id)": (\d+)',
                lambda m: f'"{m[1]}": {self.mine(self.table(m[1], path), int(m[2]))}',
                body,
            )
            body = re.sub(r"http://(127.0.0.1:8990|nosuch.invalid)", self.demo.url, body)
        auth = {
            "rw": ("ck_demo", "cs_demo"),
            "ro": ("ck_ro", "cs_ro"),
            "wo": ("ck_wo", "cs_wo"),
            "lowcap": ("ck_low", "cs_low"),
        }
        auth["custom"] = ("ck_nobody", "x") if name.endswith("wrong-key") else ("ck_demo", "wrong")
        response = requests.request(
            asked["method"], f"{site}{path}?{query}", data=body.encode() if body else None,
            auth=auth.get(asked["auth"]), headers={"Content-Type": "application/json"}, timeout=10,
        )  # fmt: skip
        if response.status_code == 201:
            self.learn(path, recording(name)["json"], response.json())
        return response

    def mine(self, kind: str, theirs: int) -> int:
        return self.ids.get((kind, theirs), theirs)

    def table(self, key: str, path: str) -> str:
        if key != "id":
            return key.removesuffix("_id") + "s"
        return "lines" if "refunds" in path else "orders"

    def email(self, theirs: int) -> str:
        return self.demo.shop.customer(self.ids["customers", theirs])["email"].partition("@")[0] + "%40mail"

    def learn(self, path: str, theirs: dict, ours: dict) -> None:
        self.ids[path.rstrip("/").rpartition("/")[2], theirs["id"]] = ours["id"]
        for line, mine in zip(theirs.get("line_items", []), ours.get("line_items", []), strict=False):
            self.ids["lines", line["id"]] = mine["id"]


@pytest.fixture(scope="module")
def story(world):
    return {name: world.replay(name) for name in STORY}


@pytest.mark.parametrize("name", ALL)
def test_answers_as_recorded(world, story, name):
    real = recording(name)
    ours = story[name] if name in story else world.replay(name)

    assert ours.status_code == real["status"], ours.text[:500]
    assert differing_headers(real["headers"], ours.headers) == {}
    if real["json"] is None:
        assert ours.content == b""
    else:
        assert difference(name, real["json"], ours.json()) == []


def differing_headers(real, ours) -> dict:
    """Headers of which one side has none, or that say another thing; totals compare by being zero."""
    out = {}
    for name in HEADERS:
        theirs, mine = real.get(name), ours.get(name)
        if name.startswith("X-WP") and theirs and mine:
            theirs, mine = theirs == "0", mine == "0"
        elif name in ("Link", "Location") and theirs and mine:
            theirs, mine = (re.findall(r'rel="([^"]+)"', theirs), re.findall(r'rel="([^"]+)"', mine))
        if theirs != mine:
            out[name] = (theirs, mine)
    return out


def difference(name: str, real, ours) -> list[str]:
    """How the demo's answer differs from the recorded one.

    An object needs every key that all real ones have and may have none that no real one has; its values have only
    types that real ones have. A list that held something must hold something.
    """
    many = isinstance(real, list)
    if many != isinstance(ours, list):
        return [f"list against object: {type(real)} {type(ours)}"]
    if many and bool(real) != bool(ours):
        return [f"{len(real)} items there, {len(ours)} here"]
    types, keys = known(resource(name)) if resource(name) != "error" else walk(real)
    out = []
    mine: tuple[dict, dict] = ({}, {})
    for item in ours if many else [ours]:
        walk(item, "", *mine)
    for path, (some, every) in mine[1].items():
        if path not in keys:
            continue
        asked = fields_of(name)
        missing = set() if name in LESS or (asked and path == "") else keys[path][1] - every
        if missing or some - keys[path][0]:
            out.append(f"{path}: without {missing}, with {some - keys[path][0]}")
    for path, found in mine[0].items():
        if path in types and found - types[path]:
            out.append(f"{path}: {found} instead of {types[path]}")
    if not many and resource(name) != "error" and name not in LESS:
        filled = walk(real)[0]
        out += [
            f"{path}: empty here"
            for path in filled
            if path.endswith("[]") and path not in mine[0] and "embedded" not in path
        ]
    return out


def fields_of(name: str) -> bool:
    return "_fields" in recording(name)["request"]["url"]
