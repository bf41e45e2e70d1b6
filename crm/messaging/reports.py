"""What mail services report: delivered, bounced, complained. Kept as it comes, applied afterwards."""

import uuid
from datetime import timedelta

from django.utils import timezone

from crm.events import recording
from crm.work.wake import wake

from . import consent
from .models import DeliveryReport, Message, Suppression

# django-anymail's words. A deferred mail is still on its way and changes nothing.
KEPT = {"delivered", "bounced", "rejected", "failed", "complained", "unsubscribed"}
# What a service may reject for reasons that say nothing about the address.
ABOUT_THE_ADDRESS = {"", "bounced", "invalid", "spam"}
# A report may overtake the note of the sending it is about.
PATIENCE = timedelta(minutes=2)


def keep(service: str, event) -> None:
    """Store an AnymailTrackingEvent; nothing is decided here, since an error would make the service tell it again for days."""
    if event.event_type not in KEPT:
        return
    report = DeliveryReport(
        service=service,
        type=event.event_type,
        provider_id=str(event.message_id or "")[:300],
        recipient=(event.recipient or "").strip().lower()[:320],
        occurred_at=event.timestamp or timezone.now(),
        public_id=_uuid((event.metadata or {}).get("message")),
        reason=event.reject_reason or "",
        detail=event.description or event.mta_response or "",
    )
    DeliveryReport.objects.bulk_create([report], ignore_conflicts=True)
    wake(DeliveryReport)


def apply(rows: list[DeliveryReport], at) -> None:
    """Runs inside the drain's transaction."""
    for row in rows:
        message = _message_of(row)
        if message is None:
            if at - row.created_at < PATIENCE:
                raise LookupError("No message of that number yet.")
            # A mail that is not ours to follow, such as a sign-in code.
            continue
        _apply(row, message)


def _message_of(row):
    messages = Message.objects.select_related("store", "customer", "order").filter(handed_over_at__isnull=False)
    if row.public_id and (message := messages.filter(public_id=row.public_id).first()):
        return message
    if not row.provider_id:
        return None
    found = messages.filter(provider_id=row.provider_id)
    return (found.filter(recipient=row.recipient) if row.recipient else found).first()


def _apply(row, message):
    if row.type == "delivered":
        Message.objects.filter(pk=message.pk, delivered_at=None).update(delivered_at=row.occurred_at)
        # So that was what became of it.
        Message.objects.filter(pk=message.pk, outcome=Message.Outcome.UNKNOWN).update(
            outcome=Message.Outcome.SENT, sent_at=message.handed_over_at, error=""
        )
        return
    if row.type in ("unsubscribed", "complained"):
        source, proof = f"mail service: {row.type}", {"message": message.pk}
        consent.withdraw(message.store, message.recipient, purpose=message.ends, source=source, proof=proof)
    if row.type == "unsubscribed":
        return
    if row.type == "complained":
        suppress(message.store, message.recipient, Suppression.Reason.COMPLAINT, row.detail)
        return
    Message.objects.filter(pk=message.pk).update(outcome=Message.Outcome.BOUNCED, error=row.detail)
    if row.reason in ABOUT_THE_ADDRESS:
        suppress(message.store, message.recipient, Suppression.Reason.BOUNCE, row.detail)
    recording.record(
        "message.bounced",
        message.store,
        message.pk,
        customer=message.customer,
        order=message.order,
        data={"kind": message.kind, "recipient": message.recipient, "reason": row.reason},
        occurred_at=row.occurred_at,
    )


def suppress(store, email: str, reason: str, detail: str = "") -> Suppression:
    """Send nothing to this address any more, for this store (None: for all)."""
    row, _new = Suppression.objects.get_or_create(
        store=store, email=email.strip().lower(), defaults={"reason": reason, "detail": detail}
    )
    return row


def _uuid(value):
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None
