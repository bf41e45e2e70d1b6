"""Fills a shop: a year of orders that looks lived in, the same for the same seed and clock."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from . import goods
from .people import person
from .shop import Shop
from .state import stamp, utc_now

PICTURES = "/wp-content/uploads/{sku}.svg"
PRAISE = [
    "खूप छान! Will buy again.",
    "Sehr gut, schnell geliefert 👍",
    "Smells like my grandmother’s kitchen.",
    "Good, but the tin had a dent.",
    "Exactly as pictured. Thank you!",
    "Too small for the price, sadly.",
    "Perfect gift, lovely wrapping 🎁",
]
REASONS = ["Arrived broken", "Changed my mind", "Retoure – zu klein", "परत केले", ""]
CARRIERS = {"IN": ["bluedart", "India Post", "Delhivery"], "DE": ["dhl"], "US": ["fedex", "usps"]}
LINKS = {"India Post": "https://track.example/?n=%1$s", "Delhivery": "https://delhivery.example/track/%1$s"}


def small_shop(seed: int = 7, *, now: Callable[[], datetime] = utc_now, **settings) -> Shop:
    """A dozen orders and customers: quick to build, every kind of product."""
    return fill(Shop(now=now, **settings), seed, customers=8, orders=12)


def year_shop(
    seed: int = 7, *, now: Callable[[], datetime] = utc_now, customers: int = 300, orders: int = 3000, **settings
) -> Shop:
    return fill(Shop(now=now, **settings), seed, customers, orders)


def fill(shop: Shop, seed: int, customers: int, orders: int) -> Shop:
    r = random.Random(seed)
    # Whole hours of yesterday: two starts within the hour make the same shop.
    end = shop.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    begin = end - timedelta(days=365)
    stock(shop, begin)
    people = register(shop, r, customers, begin, end)
    # Dice of their own: how many moments are refused hangs on the hour, and all that follows shall not.
    for moment in sorted(order_times(random.Random(seed), orders, begin, end)):
        Life(shop, r, people, moment, end).run()
    oddities(shop, end)
    review(shop, r, orders // 12 + 4, end)
    return shop


def stock(shop: Shop, at: datetime) -> None:
    for name, parent, _ in goods.CATEGORIES:
        above = next((row["id"] for row in shop.rows["categories"].values() if row["name"] == parent), 0)
        shop.add_term("categories", name, above)
    for name in goods.TAGS:
        shop.add_term("tags", name)
    ids: dict[str, int] = {}

    def put(name: str, sku: str, category: str, **fields) -> dict:
        found = next(row for row in shop.rows["categories"].values() if row["name"] == category)
        picture = {"id": shop.number("post"), "src": PICTURES.format(sku=sku.lower()), "name": name, "alt": name}
        product = shop.add_product(name=name, sku=sku, categories=[found], images=[picture], at=at, **fields)
        ids[sku] = product["id"]
        return product

    for sku, name, category, price, sale, _, tax_class, tags in goods.SIMPLE:
        extra = {"stock_quantity": 5000, "low_stock_amount": 3} if len(ids) % 3 == 1 else {}
        put(
            name, sku, category, regular_price=price, sale_price=sale, tax_class=tax_class,
            description=f"<p>{name} — <strong>packed by hand</strong> in Pune &amp; sent the same week.</p>",
            short_description="<p>From small makers.</p>", tags=[t for t in shop.rows["tags"].values() if t["name"] in tags],
            meta_data=[{"key": "_gtin", "value": f"89010000{len(ids):05d}"}], **extra,
        )  # fmt: skip
    for sku, name, category, _, sizes, colours, lowest in goods.VARIABLE:
        kinds = [("Size", sizes), ("Colour रंग", colours)]
        attributes = [
            {"id": 0, "name": n, "slug": n, "position": 0, "visible": True, "variation": True, "options": options}
            for n, options in kinds
        ]
        product = put(name, sku, category, type="variable", attributes=attributes)
        if sku == goods.WITHOUT_PICTURE:
            product["images"] = []
        for number, (size, colour) in enumerate((s, c) for s in sizes for c in colours):
            last = number == len(sizes) * len(colours) - 1
            options = {"Size": size} if last else {"Size": size, "Colour रंग": colour}  # the last takes any colour
            cost = lowest + 150 * sizes.index(size)
            shop.add_variation(
                product["id"], options, str(cost), str(cost - 51) if number % 3 == 2 else "", f"{sku}-{number + 1}"
            )
    book = {"name": "PDF", "file": "/wp-content/uploads/recipes.pdf"}
    put("E-Book: Marathi recipes पाककृती", "EBOOK-1", "Bücher &amp; Downloads", regular_price="199", virtual=True, downloadable=True, downloads=[book], download_limit=3)  # fmt: skip
    shop.add_product(name="Tea for two, a set", type="grouped", grouped_products=[ids["TEA-01"], ids["KIT-03"]], at=at)
    shop.add_product(
        name="Cooking class in Pune",
        type="external",
        external_url="https://classes.example/",
        regular_price="500",
        at=at,
    )
    shop.add_product(name="Gift wrapping", sku="WRAP", regular_price="0", virtual=True, at=at)
    shop.add_product(name="Monsoon Tea (coming soon)", status="draft", at=at)
    shop.add_product(name="Staff sample box", status="private", regular_price="10", at=at)
    for sku, (up, cross) in goods.CROSS.items():
        product = shop.product(ids[sku])
        product["upsell_ids"], product["cross_sell_ids"] = [ids[s] for s in up], [ids[s] for s in cross]
    for code, kind, amount in goods.COUPONS:
        shop.add_coupon(code=code, discount_type=kind, amount=amount, at=at)


def register(shop: Shop, r: random.Random, count: int, begin: datetime, end: datetime) -> list[dict]:
    """Customers, and as many guests half over; the demo's own customer comes first."""
    shop.add_customer(email="admin@masala-house.example", username="admin", role="administrator", at=begin)
    asha = person(r, 1) | {
        "first_name": "Asha",
        "last_name": "Kulkarni",
        "email": "asha@mail.example",
        "phone": "+91 9800000001",
    }
    asha |= {
        "city": "Pune",
        "state": "MH",
        "postcode": "411030",
        "country": "IN",
        "address_1": "14 Laxmi Road",
        "address_2": "",
        "company": "",
    }
    people = [asha] + [person(r, number) for number in range(2, count + count // 2 + 1)]
    for number, who in enumerate(people[:count]):
        joined = begin + (end - begin) * (0 if number == 0 else r.random() * 0.9)
        billing = None if number % 11 == 9 else who  # registered, but never filled an address in
        shop.add_customer(
            email=who["email"], first_name=who["first_name"], last_name=who["last_name"],
            billing=billing, shipping=billing if number % 3 else None, at=joined,
            meta={"loyalty_points": number * 10} if number % 5 == 0 else None,
        )  # fmt: skip
    return people


def order_times(r: random.Random, count: int, begin: datetime, end: datetime) -> list[datetime]:
    """Growing over the year, a bump before Diwali and Christmas, evenings more than nights."""
    times: list[datetime] = []
    while len(times) < count:
        moment = begin + (end - begin) * (r.random() ** 0.75)
        festive = moment.month in (10, 11, 12)
        awake = 2 <= moment.hour <= 17  # UTC: morning to night in India
        if r.random() < (1.0 if festive else 0.65) * (1.0 if awake else 0.25):
            times.append(moment.replace(microsecond=0))
    return times


class Life:
    """One order from the basket to its end, as far as time has come."""

    def __init__(self, shop: Shop, r: random.Random, people: list[dict], at: datetime, end: datetime):
        self.shop, self.r, self.at, self.end = shop, r, at, end
        # A few buy often, most once or twice.
        self.who = people[min(int(r.paretovariate(0.6)) - 1, len(people) - 1)] if r.random() < 0.4 else r.choice(people)

    def later(self, low: float, high: float) -> bool:
        """Move on by that many hours; False when that lies in the future."""
        moment = self.at + timedelta(hours=low + (high - low) * self.r.random())
        if moment > self.end:
            return False
        self.at = moment.replace(microsecond=0)
        return True

    def run(self) -> None:
        r, shop = self.r, self.shop
        method = r.choices(["razorpay", "cod", "stripe", "bacs"], [45, 20, 28, 7])[0]
        fate = r.choices(["good", "cancelled", "failed", "abandoned", "pending", "draft"], [84, 5, 4, 2, 3, 2])[0]
        order = shop.place_order(
            email=self.who["email"], billing=self.who, guest=r.random() < 0.12, lines=self.basket(), payment_method=method,
            status="checkout-draft" if fate == "draft" else "pending", coupon=r.choice(goods.COUPONS)[0] if r.random() < 0.13 else "",
            gift_wrap=r.random() < 0.08, freight="0" if r.random() < 0.35 else "80.00",
            shipping={} if r.random() < 0.2 else None, created_via=r.choices(["checkout", "store-api", "admin", "rest-api"], [70, 22, 5, 3])[0],
            note="Please ring twice 🔔" if r.random() < 0.04 else "", meta=self.meta(), at=self.at,
        )  # fmt: skip
        if fate in ("draft", "pending"):
            return
        if fate != "good":
            if self.later(0.5, 30):
                shop.set_status(order["id"], {"abandoned": "on-hold"}.get(fate, fate), self.at)
            return
        if method == "bacs":
            shop.set_status(order["id"], "on-hold", self.at)
            if not self.later(20, 70):
                return
        if not self.later(0.02, 0.2):
            return
        shop.pay(order["id"], self.at)
        if not self.later(8, 60):
            return
        shop.set_status(order["id"], "packed", self.at)
        if not self.later(2, 20):
            return
        shop.ship(order["id"], self.parcels(order), self.at)
        shop.set_status(order["id"], "processing", self.at)
        if not self.later(40, 190):
            return
        shop.complete(order["id"], self.at)
        if r.random() < 0.07 and self.later(30, 300):
            self.refund(order)

    def basket(self) -> list[tuple]:
        r = self.r
        products = [
            p
            for p in self.shop.rows["products"].values()
            if p["price"] and p["status"] == "publish" and p["sku"] != "WRAP"
        ]
        products = [p for p in products if p["type"] in ("simple", "variable")]
        chosen: list[tuple] = []
        for place in range(r.choices([1, 2, 3, 4], [42, 33, 17, 8])[0]):
            product = (
                products[int(r.random() ** 1.6 * len(products))]
                if place == 0 or r.random() < 0.6
                else r.choice(products)
            )
            if product["id"] in {line[0] for line in chosen}:
                continue
            quantity = r.choices([1, 2, 3], [74, 20, 6])[0]
            variation = r.choice(product["variations"]) if product["variations"] else 0
            chosen.append((product["id"], variation, quantity))
        return chosen

    def meta(self) -> dict:
        r = self.r
        source = r.choice(["organic", "utm", "typein", "referral"])
        meta: dict = {
            "_wc_order_attribution_source_type": source,
            "_wc_order_attribution_referrer": "https://search.example/",
        }
        if r.random() < 0.03:
            meta |= {
                "nested": {"a": {"b": [1, 2.5, None, True]}, "ünï": "x"},
                "list": [],
                "intish": 42,
                "boolish": True,
                "empty": "",
            }
        return meta

    def parcels(self, order: dict) -> list[dict]:
        carriers = CARRIERS.get(order["billing"]["country"], ["dhl", "royal-mail"])
        return [
            {
                "carrier": carrier,
                "number": f"{carrier[:2].upper()}{order['id']:07d}{part}",
                "link": LINKS.get(carrier, ""),
            }
            for part, carrier in enumerate([self.r.choice(carriers)] * (2 if self.r.random() < 0.1 else 1), 1)
        ]

    def refund(self, order: dict) -> None:
        r, reason = self.r, self.r.choice(REASONS)
        way = r.random()
        if way < 0.4:
            self.shop.refund(order["id"], reason=reason, at=self.at)
        elif way < 0.8:
            line = r.choice(order["line_items"])
            self.shop.refund(order["id"], lines={line["id"]: 1}, reason=reason, at=self.at)
        else:
            self.shop.refund(order["id"], amount="10.00", reason=reason, at=self.at)


def oddities(shop: Shop, end: datetime) -> None:
    """What a real shop has lying about: an empty order, a deleted product and customer, something in the trash."""

    def ago(hours: float) -> datetime:
        return (end - timedelta(hours=hours)).replace(microsecond=0)

    tea = next(p["id"] for p in shop.rows["products"].values() if p["manage_stock"])
    shop.place_order(lines=[], freight="0", created_via="admin", payment_method="", at=ago(30))
    gone = shop.add_product(name="Gone product", regular_price="55", at=ago(400))
    order = shop.place_order(email="a@b.example", lines=[(gone["id"], 2)], freight="0", payment_method="", at=ago(28))
    shop.pay(order["id"], ago(27.9))
    shop.complete(order["id"], ago(20))
    shop.delete_product(gone["id"])
    left = shop.add_customer(email="gone@mail.example", first_name="Gone", last_name="Customer", at=ago(300))
    order = shop.place_order(customer_id=left["id"], lines=[(tea, 1)], at=ago(26))
    shop.pay(order["id"], ago(25.9))
    shop.delete_customer(left["id"])
    order["date_modified_gmt"] = stamp(ago(10))
    order = shop.place_order(email="trashed@mail.example", lines=[(tea, 1)], at=ago(24))
    shop.trash(order["id"], ago(9))
    book = next(p for p in shop.rows["products"].values() if p["downloads"])
    order = shop.place_order(email="asha@mail.example", lines=[(book["id"], 1)], freight="0", at=ago(50))
    shop.complete(order["id"], ago(49))
    coupon = shop.add_coupon(code="birthday", amount="50", at=ago(600))
    shop.trash_coupon(coupon["id"])


def review(shop: Shop, r: random.Random, count: int, end: datetime) -> None:
    products = [p for p in shop.rows["products"].values() if p["type"] == "simple" and p["images"]]
    buyers = [row for row in shop.rows["customers"].values() if row["role"] == "customer"]
    for number in range(count):
        who = r.choice(buyers)
        text = f"{r.choice(PRAISE)} <em>{number + 1}</em>"
        shop.add_review(
            product_id=products[int(r.random() ** 1.5 * len(products))]["id"], review=text,
            reviewer=f"{who['first_name']} {who['last_name']}", reviewer_email=who["email"],
            rating=r.choices([1, 2, 3, 4, 5], [3, 5, 12, 30, 50])[0], status="hold" if number % 9 == 4 else "approved",
            at=(end - timedelta(hours=300 * 24 * r.random() ** 2)).replace(microsecond=0),
        )  # fmt: skip
