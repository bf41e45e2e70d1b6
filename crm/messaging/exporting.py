"""What was written to a person, and what they said of it."""

from collections.abc import Iterator

from django.db.models import Q

from crm.orders.erasing import Person

from .kinds import Purpose
from .models import Consent, Hold, Message, Suppression


def messages(person: Person) -> Iterator[dict]:
    """What was about them, or went to their own addresses and was about nobody else: an address may stand on another's order.

    A gift's mail belongs to whoever got it: its code is money.
    """
    about = person.about & ~Q(purpose=Purpose.GIFT)
    of_order = Q(order=None) | Q(order__in=person.orders)
    of_customer = Q(customer=None) | Q(customer__in=person.customers)
    to_them = Q(recipient__in=person.emails) & of_order & of_customer
    rows = Message.objects.for_store(person.store).filter(about | to_them).order_by("pk")
    rows = rows.only("kind", "recipient", "subject", "text", "created_at", "sent_at", "delivered_at", "outcome")
    for row in rows.iterator(chunk_size=200):
        yield {
            "kind": row.kind, "to": row.recipient, "queued_at": row.created_at, "sent_at": row.sent_at,
            "delivered_at": row.delivered_at, "outcome": row.outcome, "subject": row.subject, "text": row.text,
        }  # fmt: skip


def consents(person: Person) -> Iterator[dict]:
    """Of what was shown then, the language: the rest are keys of tables here."""
    rows = Consent.objects.filter(store=person.store, email__in=person.emails).order_by("at", "pk")
    for row in rows.iterator():
        yield {
            "email": row.email, "purpose": row.purpose, "given": row.given, "at": row.at, "where": row.source,
            "shown_in": row.proof.get("language"),
        }  # fmt: skip


def stopped(person: Person) -> Iterator[dict]:
    """Without the detail: staff write it, of all shops together, and for each other."""
    of_store = Q(store=person.store) | Q(store=None)
    for row in Suppression.objects.filter(of_store, email__in=person.emails).order_by("pk"):
        yield {"email": row.email, "why": row.reason, "since": row.created_at}


def problems(person: Person) -> Iterator[dict]:
    """While they last, no cheerful mail is sent."""
    rows = Hold.objects.for_store(person.store).filter(customer__in=person.customers).order_by("placed_at", "pk")
    for row in rows.iterator():
        yield {"kind": row.kind, "since": row.placed_at, "until": row.lifted_at or row.ends_at}
