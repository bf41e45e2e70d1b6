"""The pretend shop: what it holds (`State`) and what can happen in it, one mixin per topic."""

from .refunds import Refunds
from .state import Refused
from .webhooks import Webhooks

__all__ = ["Refused", "Shop"]


class Shop(Refunds, Webhooks):
    """State and rules; `rest.py` and `page.py` are its doors, `year.py` fills it."""
