"""What a person was asked, and what they said of what they bought."""

from collections.abc import Iterator

from crm.orders.erasing import Person

from .models import Invitation


def answers(person: Person) -> Iterator[dict]:
    rows = Invitation.objects.for_store(person.store).filter(order__customer__in=person.customers)
    rows = rows.select_related("order").prefetch_related("answers").order_by("pk")
    for row in rows.iterator(chunk_size=200):
        yield {
            "order": row.order.number, "asked": row.outcome, "due_at": row.due_at,
            "answers": [
                {
                    "product": answer.product_name, "stars": answer.score, "text": answer.text,
                    "shown_as": answer.shown_name, "not_received": answer.not_received, "state": answer.state,
                    "declined_because": answer.decline_reason, "at": answer.answered_at, "changed_at": answer.changed_at,
                }
                for answer in row.answers.all()
            ],
        }  # fmt: skip
