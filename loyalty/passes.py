"""Passes: by them a shop's page says which customer is signed in there. Short-lived, for one store, good for a few times.

`v1.<customer's number in the shop>.<end, Unix time>.<nonce>.<signature>`; the signature is the hexadecimal HMAC-SHA256 of
`<store's slug>|v1.<number>.<end>.<nonce>` by the store's display secret.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from . import asking
from .models import ShopDisplay

# A page makes a new one each time it is drawn; who goes back to it may ask again.
MOST_USES = 10
LONGEST = timedelta(minutes=15)
# Clocks of two machines.
SKEW = timedelta(minutes=1)
_FORM = re.compile(
    r"(v1\.(?P<customer>[1-9][0-9]{0,17})\.(?P<end>[0-9]{10})\.[A-Za-z0-9_-]{8,64})\.(?P<mac>[0-9a-f]{64})"
)


class BadPass(Exception):
    """Forged, of another store, over, made for too long, or used up: one answer for all."""


def read(display: ShopDisplay, text: str, at: datetime) -> int:
    """The customer's number in the shop; counts one use. Raises BadPass."""
    form = _FORM.fullmatch(text)
    if form is None or not hmac.compare_digest(_signature(display, form[1]), form["mac"]):
        raise BadPass
    end = datetime.fromtimestamp(int(form["end"]), UTC)
    if not at < end <= at + LONGEST + SKEW:
        raise BadPass
    digest = hashlib.sha256(form[1].encode()).hexdigest()
    if asking.count(f"{display.store_id}:{digest}"[:80], end, at) > MOST_USES:
        raise BadPass
    return int(form["customer"])


def _signature(display, said) -> str:
    return hmac.new(display.secret.encode(), f"{display.store.slug}|{said}".encode(), hashlib.sha256).hexdigest()
