"""The mirror for staff: looked at, searched and filtered, never edited by hand."""

from . import catalogue, customers, orders, reviews
from .parts import MirrorInline, link_to

__all__ = ["MirrorInline", "catalogue", "customers", "link_to", "orders", "reviews"]
