"""Telling others about the shop: where one does that, and points for it, once.

Whether somebody really did can't be proven, so a merchant gives few points for it.
"""

from collections.abc import Collection
from datetime import datetime
from urllib.parse import quote

from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores.models import Store

from . import occasions
from .models import LedgerEntry, Occasion
from .occasions import Fact

KEY = "1"
# Addresses that each network gives for links from other sites; `{url}` and `{text}` are quoted.
NETWORKS = {
    "WhatsApp": "https://wa.me/?text={text}%20{url}",
    "Telegram": "https://t.me/share/url?url={url}&text={text}",
    "Facebook": "https://www.facebook.com/sharer/sharer.php?u={url}",
    "X": "https://x.com/intent/post?text={text}&url={url}",
}


def links(store: Store, address: str) -> list[tuple[str, str]]:
    """Name of each network, and where one shares an address there."""
    text = quote(_("I shop at %(store)s:") % {"store": store.name}, safe="")
    return [(name, link.format(url=quote(address, safe=""), text=text)) for name, link in NETWORKS.items()]


def has_shared(customers: Collection[Customer]) -> bool:
    cause = occasions.cause(Occasion.Kind.SOCIAL_SHARE, KEY)
    return LedgerEntry.objects.filter(account__customer__in=customers, cause=cause).exists()


def share(store: Store, customer: Customer, at: datetime) -> int:
    """Give a customer the points for telling others; returns how many, 0 if they had them or there are none."""
    entries = occasions.award(store, Occasion.Kind.SOCIAL_SHARE, [Fact(customer.pk, KEY, at)])
    return sum(entry.points for entry in entries)
