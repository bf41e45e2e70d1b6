"""The only code that makes Message rows: what is to be said, to whom, why, and from when on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from crm.orders.models import Customer, Order
from crm.stores.models import Store
from crm.work.models import DueWork
from crm.work.wake import wake

from . import kinds
from .models import Message


@dataclass
class Draft:
    """What `queue_many` takes; see `queue` for the meaning of each."""

    key: str
    customer: Customer | None = None
    email: str | None = None
    order: Order | None = None
    context: dict = field(default_factory=dict)
    at: datetime | None = None
    language: str = ""


def queue(
    store: Store,
    kind: str,
    key: str,
    *,
    customer: Customer | None = None,
    email: str | None = None,
    order: Order | None = None,
    context: dict | None = None,
    at: datetime | None = None,
    language: str = "",
) -> Message | None:
    """Owe a mail of this kind for this reason (`key`), from `at` on (default: now); None if it was queued before.

    It goes to `email`, else to the order's address, else to the customer's, in `language`, else in the customer's, if the store offers it. `context` is
    JSON for the template. Whether it may be sent is decided at the moment of sending; without a usable
    address the row says that it was skipped. Raises LookupError for an unknown kind.
    """
    draft = Draft(str(key), customer, email, order, context or {}, at, language)
    return next(iter(queue_many(store, kind, [draft])), None)


@transaction.atomic
def queue_many(store: Store, kind: str, drafts: Iterable[Draft]) -> list[Message]:
    """Queue many of one kind in a constant number of statements; returns those that were not queued before."""
    sort = kinds.get(kind)
    now = timezone.now()
    messages = [_message(store, sort, draft, now) for draft in drafts]
    if not messages:
        return []
    # In one order always, or two writers of the same messages could each wait for the other.
    messages.sort(key=lambda message: (message.recipient, message.key))
    Message.objects.bulk_create(messages, ignore_conflicts=True)
    new = list(Message.objects.filter(public_id__in=[message.public_id for message in messages]).order_by("pk"))
    if any(message.state == DueWork.State.DUE and message.due_at <= now for message in new):
        wake(Message)
    return new


def _message(store, kind, draft, now):
    customer = draft.customer or (draft.order.customer if draft.order else None)
    due_at = draft.at or now
    message = Message(
        store=store,
        kind=kind.name,
        purpose=kind.purpose,
        key=draft.key,
        recipient=_address(draft, customer),
        customer=customer,
        order=draft.order,
        language=store.language_for(draft.language, customer.language if customer else ""),
        context=draft.context,
        created_at=now,
        due_at=due_at,
        useful_until=due_at + kind.useful_for if kind.useful_for else None,
    )
    if not message.recipient:
        message.state, message.settled_at = DueWork.State.DONE, now
        message.outcome, message.skip_reason = Message.Outcome.SKIPPED, Message.SkipReason.NO_ADDRESS
    return message


def _address(draft, customer):
    email = draft.email or (draft.order and draft.order.billing_email) or (customer and customer.email) or ""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email
