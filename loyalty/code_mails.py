"""Mails to a customer about a code of theirs: it is there, could not be made, or what was spent for it is back."""

from django.urls import reverse
from django.utils import translation

from crm.messaging import outbox
from crm.orders.models import Customer
from crm.stores import formats, links

from . import codes, rewards, units
from .models import Redemption

READY_MAIL, FAILED_MAIL, RETURNED_MAIL = "reward-code", "reward-failed", "reward-returned"
CREDIT_MAILS = {READY_MAIL: "credit-code", FAILED_MAIL: "credit-failed", RETURNED_MAIL: "credit-returned"}


def owner(redemption: Redemption) -> Customer:
    """Whose it is today: a guest's is the customer's whom the guest became."""
    customer = redemption.account.customer
    return customer.person


def tell(redemption: Redemption, kind: str, back: int | None = None, **also) -> None:
    """Owe the mail about a code of theirs; once of each kind, and for each time that something came `back`, of points or smallest units."""
    store, customer = redemption.store, owner(redemption)
    language, expires = store.language_for(customer.language), redemption.expires_at
    points = redemption.points if back is None else back
    with translation.override(language):
        reward = rewards.words(redemption.terms)
        if redemption.is_credit:
            also["amount"] = units.shown(points, redemption.terms["currency"])
    context = also | {
        "code": redemption.code,
        "points": points,
        "reward": reward,
        "expires": expires and formats.day(expires, store.timezone, language),
        "url": links.address(
            reverse("loyalty-credit" if redemption.is_credit else "loyalty-rewards", args=[store.slug])
        ),
    }
    key = codes.cause(redemption)
    if redemption.is_credit or kind == RETURNED_MAIL:
        # A part may come back, and later the whole.
        key = f"{key}:{redemption.returned_id or 0}"
    if redemption.is_credit:
        kind = CREDIT_MAILS[kind]
    outbox.queue(store, kind, key, customer=customer, context=context)
