"""The one gate every message passes at the moment of sending; what was true when it was planned does not count."""

from datetime import datetime

from django.db.models import Q

from . import consent, holds, kinds
from .models import MailSettings, Message, Suppression

Reason = Message.SkipReason


def closed(message: Message, at: datetime) -> Reason | None:
    """Why this message must not be sent now; None when it may be."""
    kind = kinds.get(message.kind)
    if not message.recipient:
        return Reason.NO_ADDRESS
    if message.useful_until and message.useful_until < at:
        return Reason.STALE
    if _order_gone(message, kind):
        return Reason.ORDER_GONE
    if MailSettings.objects.filter(store=message.store_id, switched_off__contains=[kind.name]).exists():
        return Reason.SWITCHED_OFF
    if is_suppressed(message.store_id, message.recipient):
        return Reason.SUPPRESSED
    # The stricter of the two: the kind may have become marketing since it was queued.
    marketing = kinds.Purpose.MARKETING in (kind.purpose, message.purpose)
    if marketing and not consent.is_given(message.store_id, message.recipient):
        return Reason.NO_CONSENT
    if message.purpose in kinds.STOPPABLE and consent.is_refused(message.store_id, message.recipient, message.purpose):
        return Reason.UNWANTED
    if message.purpose in kinds.HELD and holds.is_held(message.store_id, message.customer_id, message.recipient, at):
        return Reason.ON_HOLD
    return None


def is_suppressed(store_id: int, email: str) -> bool:
    return Suppression.objects.filter(Q(store=store_id) | Q(store=None), email=email.lower()).exists()


def _order_gone(message, kind):
    if message.order_id is None or not kind.not_for_statuses:
        return False
    order = message.order
    return order.deleted_at is not None or order.status in kind.not_for_statuses
