"""The one way into the mirror, for import, poll, webhook and reconciliation alike.

Each function takes a store and a page of objects as WooCommerce writes them, and leaves the rows as the newest version has them: an older
version changes nothing, an equal one is not written, and one that can't be mirrored is kept aside while the rest of the page is saved.
All of a call is one transaction with a constant number of statements. Calls for one store wait for each other;
a caller who saves for several stores in one transaction takes them by ascending primary key.
"""

from collections.abc import Callable

from .catalogue import save_categories, save_coupons, save_products
from .customers import save_customers
from .deleting import MODELS, forget_refunds, mark_deleted
from .items import Ahead, Item
from .notes import save_notes
from .orders import order_map, save_orders
from .page import Saved
from .refunds import save_refunds, save_refunds_of
from .reviews import save_reviews

SAVERS: dict[str, Callable[..., Saved]] = {
    "categories": save_categories,
    "coupons": save_coupons,
    "customers": save_customers,
    "orders": save_orders,
    "products": save_products,
    "refunds": save_refunds,
    "reviews": save_reviews,
}

__all__ = [
    "MODELS",
    "SAVERS",
    "Ahead",
    "Item",
    "Saved",
    "forget_refunds",
    "mark_deleted",
    "order_map",
    "save_categories",
    "save_coupons",
    "save_customers",
    "save_notes",
    "save_orders",
    "save_products",
    "save_refunds",
    "save_refunds_of",
    "save_reviews",
]
