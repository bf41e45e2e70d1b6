"""For which orders and goods a reward's code is good: as the shop is asked for it, and as customers read it.

Percent off is taken off goods one by one, so the shop leaves out those that do not fit. Whatever else a code takes off, it takes off the
order: there the shop wants one of the goods in it, and refuses an order with any of the excluded ones.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from crm.orders.models import Category, Product
from crm.stores.formats import money, number

from .models import Reward

PRODUCTS, CATEGORIES = ("products", "excluded_products"), ("categories", "excluded_categories")
PARTS = (*PRODUCTS, *CATEGORIES)
# What the shop calls them.
COUPON = {
    "products": "product_ids",
    "excluded_products": "excluded_product_ids",
    "categories": "product_categories",
    "excluded_categories": "excluded_product_categories",
}
# Things of a part that may be chosen: the shop is asked for all of them with each code.
MOST = 100
# More than that in a sentence nobody reads.
MOST_NAMES = 10


def model_of(part: str) -> type[Product] | type[Category]:
    return Product if part in PRODUCTS else Category


def described(chosen: dict[str, Iterable[Product | Category]]) -> dict[str, list[dict]]:
    """`Reward.goods` of the rows chosen for each part: their names as they are now."""
    goods = {
        part: [
            {"id": thing.woo_id, "name": thing.name} for thing in sorted(chosen.get(part, ()), key=lambda t: t.woo_id)
        ]
        for part in PARTS
    }
    return {part: things for part, things in goods.items() if things}


def numbers(goods: dict) -> dict[str, list[int]]:
    """By part, the empty ones too."""
    return {part: [thing["id"] for thing in goods.get(part, ())] for part in PARTS}


def for_coupon(terms: dict) -> dict:
    """The part of a coupon's payload that says it."""
    limits = {COUPON[part]: found for part, found in numbers(terms.get("goods", {})).items()}
    return limits | {
        "minimum_amount": terms["minimum_order"],
        "maximum_amount": terms.get("maximum_order"),
        "exclude_sale_items": terms.get("excludes_sale", False),
    }


def sentences(terms: dict) -> list[str]:
    """The same for customers, from the terms of a reward that gives a code."""
    said = []
    for name, text in (
        ("minimum_order", _("For orders of at least %(money)s.")),
        ("maximum_order", _("For orders of at most %(money)s.")),
    ):
        if terms.get(name):
            said.append(text % {"money": money(terms[name], terms["currency"])})
    is_of_goods = terms["kind"] in (Reward.Kind.PERCENT, Reward.Kind.PRODUCT)
    for part, text in (_of_goods() if is_of_goods else _of_orders()).items():
        if things := terms.get("goods", {}).get(part):
            said.append(text % {"names": _names(things)})
    if terms.get("excludes_sale"):
        said.append(_("Not on goods on sale.") if is_of_goods else _("Not for orders with goods on sale."))
    return said


def _of_goods() -> dict[str, str]:
    return {
        "products": _("Only on: %(names)s."),
        "categories": _("Only on goods of: %(names)s."),
        "excluded_products": _("Not on: %(names)s."),
        "excluded_categories": _("Not on goods of: %(names)s."),
    }


def _of_orders() -> dict[str, str]:
    return {
        "products": _("Only for orders with one of these: %(names)s."),
        "categories": _("Only for orders with goods of: %(names)s."),
        "excluded_products": _("Not for orders with: %(names)s."),
        "excluded_categories": _("Not for orders with goods of: %(names)s."),
    }


def _names(things: list[dict]) -> str:
    names = ", ".join(thing["name"] for thing in things[:MOST_NAMES])
    more = len(things) - MOST_NAMES
    return _("%(names)s and %(count)s more") % {"names": names, "count": number(more)} if more > 0 else names
