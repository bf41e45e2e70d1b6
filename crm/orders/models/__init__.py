"""The mirror of a shop: written by `crm.woocommerce` alone, read by everyone."""

from .customers import Customer
from .orders import Coupon, LineItem, Order, Refund, RefundLine
from .products import Category, Product

__all__ = ["Category", "Coupon", "Customer", "LineItem", "Order", "Product", "Refund", "RefundLine"]
