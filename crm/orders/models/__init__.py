"""The mirror of a shop: written by `crm.woocommerce` alone, read by everyone."""

from .customers import Customer
from .erasures import Erasure
from .notes import OrderNote
from .orders import GIFT_CARD, Coupon, LineItem, Order, Refund, RefundLine
from .products import Category, Product
from .reviews import ProductReview

__all__ = [
    "GIFT_CARD",
    "Category",
    "Coupon",
    "Customer",
    "Erasure",
    "LineItem",
    "Order",
    "OrderNote",
    "Product",
    "ProductReview",
    "Refund",
    "RefundLine",
]
