"""A person's questions and the answers. What staff note among themselves stays among them."""

from collections.abc import Iterator

from django.db.models import Prefetch, Q

from crm.orders.erasing import Person

from .models import Message, Ticket


def tickets(person: Person) -> Iterator[dict]:
    theirs = Q(customer__in=person.customers) | Q(customer=None, email__in=person.emails)
    rows = Ticket.objects.for_store(person.store).filter(theirs).select_related("order").order_by("pk")
    rows = rows.prefetch_related(Prefetch("messages", Message.objects.order_by("pk").public(), to_attr="said"))
    for row in rows.iterator(chunk_size=200):
        yield {
            "number": row.number, "subject": row.subject, "type": row.type, "status": row.status, "asked_by": row.channel,
            "email": row.email, "order": row.order and row.order.number, "opened_at": row.created_at,
            "resolved_at": row.resolved_at,
            "messages": [
                {"at": message.created_at, "by": message.author_kind, "text": message.body} for message in row.said
            ],
        }  # fmt: skip
