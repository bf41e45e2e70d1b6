"""One thing after the other that happens in a shop by itself, chosen by dice: what keeps a mirror busy."""

import random
from collections.abc import Callable

from .shop import Shop

CITIES = ["Pune", "Mumbai", "Nashik", "नागपूर", "Köln", "L’Aquila"]


def happen(shop: Shop, dice: random.Random) -> str:
    """Let one thing happen and return its name; where there is nothing it could happen to, somebody buys something."""
    with shop.lock:
        name = dice.choices(list(THINGS), [weight for weight, _ in THINGS.values()])[0]
        if THINGS[name][1](shop, dice):
            return name
        buy(shop, dice)
        return "buy"


def an_order(shop: Shop, dice: random.Random, *statuses: str) -> dict | None:
    """Any order in one of these statuses; the newest are the likeliest."""
    rows = [order for order in shop.rows["orders"].values() if order["status"] in statuses]
    return rows[-1 - int(len(rows) * dice.random() ** 2)] if rows else None


def buy(shop: Shop, dice: random.Random) -> bool:
    buyers = [row for row in shop.rows["customers"].values() if row["role"] == "customer"]
    buyer = dice.choice(buyers) if buyers and dice.random() < 0.6 else None
    products = [p for p in shop.rows["products"].values() if p["type"] == "simple" and p["price"] not in ("", "0")]
    lines = [(product["id"], dice.randint(1, 3)) for product in dice.sample(products, dice.randint(1, 3))]
    shop.place_order(
        email=buyer["email"] if buyer else f"guest{dice.randrange(10)}@post.example",
        name="" if buyer else "Ravi Joshi",
        lines=lines,
        status=dice.choice(["pending", "pending", "processing", "on-hold"]),
        gift_wrap=dice.random() < 0.1,
    )
    return True


def pay(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "pending", "on-hold", "failed")
    return bool(order and shop.pay(order["id"]))


def complete(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "processing", "packed")
    return bool(order and shop.complete(order["id"]))


def ship(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "processing")
    return bool(order and shop.ship(order["id"]))


def cancel(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "pending", "processing", "on-hold")
    return bool(order and shop.cancel(order["id"]))


def refund(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "processing", "completed")
    if not order or shop.refundable(order) <= 1000 or not order["line_items"]:
        return False
    way = dice.random()
    if way < 0.3:
        shop.refund(order["id"])
    elif way < 0.6:
        shop.refund(order["id"], amount="10.00", reason="Arrived broken")
    elif not order["refunds"]:
        shop.refund(order["id"], lines={dice.choice(order["line_items"])["id"]: 1})
    return True


def unrefund(shop: Shop, dice: random.Random) -> bool:
    refunds = [row for row in shop.rows["refunds"].values() if shop.order(row["parent_id"])["status"] != "refunded"]
    if not refunds:
        return False
    shop.delete_refund(dice.choice(refunds)["id"])
    return True


def edit(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "pending", "processing", "completed", "on-hold")
    if not order:
        return False
    shop.update_order(order["id"], billing={"city": dice.choice(CITIES)}, customer_note=f"Ring {dice.randint(1, 9)}×")
    return True


def touch(shop: Shop, dice: random.Random) -> bool:
    """Saved without a change: only its date is another."""
    order = an_order(shop, dice, "processing", "completed")
    return bool(order and shop.update_order(order["id"]))


def trash(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "pending", "processing", "cancelled", "completed")
    return bool(order and shop.trash(order["id"]))


def untrash(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "trash")
    return bool(order and shop.untrash(order["id"]))


def delete(shop: Shop, dice: random.Random) -> bool:
    order = an_order(shop, dice, "trash", "cancelled", "pending")
    if not order:
        return False
    shop.delete(order["id"])
    return True


def join(shop: Shop, dice: random.Random) -> bool:
    number = len(shop.rows["customers"]) + dice.randrange(1000)
    address = f"new{number}@mail.example"
    return shop.customer_by_email(address) is None and bool(shop.add_customer(email=address, first_name="Meera"))


def move(shop: Shop, dice: random.Random) -> bool:
    buyers = [row for row in shop.rows["customers"].values() if row["role"] == "customer"]
    return bool(
        buyers and shop.update_customer(dice.choice(buyers)["id"], billing={"city": dice.choice(CITIES)}) is not None
    )


def leave(shop: Shop, dice: random.Random) -> bool:
    buyers = [row for row in shop.rows["customers"].values() if row["role"] == "customer"]
    if len(buyers) < 4:
        return False
    shop.delete_customer(dice.choice(buyers)["id"])
    return True


def price(shop: Shop, dice: random.Random) -> bool:
    products = [p for p in shop.rows["products"].values() if p["type"] == "simple" and p["price"] not in ("", "0")]
    shop.update_product(dice.choice(products)["id"], regular_price=str(dice.randint(50, 900)))
    return True


def review(shop: Shop, dice: random.Random) -> bool:
    number = len(shop.rows["reviews"]) + dice.randrange(1000)
    product, reader = dice.choice(list(shop.rows["products"])), f"reader{number}@post.example"
    status = dice.choice(["approved", "approved", "hold"])
    stars, text = dice.randint(1, 5), f"Bought it {number} times."
    shop.add_review(
        product_id=product, review=text, reviewer="Meera", reviewer_email=reader, rating=stars, status=status
    )
    return True


def moderate(shop: Shop, dice: random.Random) -> bool:
    """A review is approved, hidden, thrown away, taken back from there or deleted."""
    if not shop.rows["reviews"]:
        return False
    number = dice.choice(list(shop.rows["reviews"]))
    if dice.random() < 0.2:
        shop.drop("reviews", number)
    else:
        shop.set_review_status(number, dice.choice(["approved", "hold", "spam", "trash"]))
    return True


def withdraw(shop: Shop, dice: random.Random) -> bool:
    """A coupon goes, to the trash or for good."""
    there = [row["id"] for row in shop.rows["coupons"].values() if row["status"] != "trash" and row["usage_limit"] != 1]
    if not there:
        return False
    dice.choice([shop.trash_coupon, shop.delete_coupon])(dice.choice(there))
    return True


def shelve(shop: Shop, dice: random.Random) -> bool:
    """A product gets a category of its own."""
    number = len(shop.rows["categories"]) + dice.randrange(1000)
    product = dice.choice([row for row in shop.rows["products"].values() if row["status"] == "publish"])
    shop.update_product(product["id"], categories=[shop.add_term("categories", f"Shelf {number}")])
    return True


def unshelve(shop: Shop, dice: random.Random) -> bool:
    categories = [number for number in shop.rows["categories"] if number != shop.default_category()]
    if not categories:
        return False
    shop.delete_category(dice.choice(categories))
    return True


# Each with its weight: orders move on most of the time.
THINGS: dict[str, tuple[int, Callable[[Shop, random.Random], bool]]] = {
    "buy": (30, buy),
    "pay": (25, pay),
    "complete": (15, complete),
    "ship": (8, ship),
    "cancel": (4, cancel),
    "refund": (7, refund),
    "unrefund": (2, unrefund),
    "edit": (8, edit),
    "touch": (3, touch),
    "trash": (3, trash),
    "untrash": (2, untrash),
    "delete": (2, delete),
    "join": (3, join),
    "move": (3, move),
    "leave": (1, leave),
    "price": (4, price),
    "review": (3, review),
    "moderate": (2, moderate),
    "withdraw": (1, withdraw),
    "shelve": (1, shelve),
    "unshelve": (1, unshelve),
}
