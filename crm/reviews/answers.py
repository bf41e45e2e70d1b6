"""What buyers say of what they bought, kept and told."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from crm.events import recording
from crm.orders.models import LineItem

from .models import Answer, Invitation


@dataclass
class Said:
    """What somebody said of one item: stars with or without words, or that it never arrived."""

    line: LineItem
    score: int | None
    text: str = ""
    not_received: bool = False


@transaction.atomic
def save(invitation: Invitation, said: list[Said], shown_name: str, at: datetime) -> list[Answer]:
    """Keep what was said, one answer an item; what staff have decided on stays as it is.

    A second time changes the first answer. Low scores are told to whoever listens once, when they are given.
    """
    # Two tabs, a double click: one after the other.
    Invitation.objects.select_for_update().get(pk=invitation.pk)
    # What staff decide on at this moment is decided before this or after it, not in the middle.
    answers = Answer.objects.select_for_update().filter(invitation=invitation).order_by("pk")
    held = {answer.line_id: answer for answer in answers}
    saved = []
    for entry in said:
        answer = held.get(entry.line.pk) or _new(invitation, entry.line, at)
        if not answer.is_open:
            continue
        was = answer.score
        answer.score = None if entry.not_received else entry.score
        answer.text, answer.not_received, answer.shown_name = entry.text, entry.not_received, shown_name
        answer.changed_at = at if answer.pk else None
        answer.save()
        _tell(answer, was, invitation, at)
        saved.append(answer)
    return saved


def _new(invitation, line, at):
    product = line.product and (line.product.parent or line.product)
    return Answer(
        store_id=invitation.store_id,
        invitation=invitation,
        line=line,
        product=product,
        product_name=line.name,
        answered_at=at,
    )


def _tell(answer, was, invitation, at):
    data = {
        "score": answer.score,
        "text": answer.text,
        "product": answer.product_name,
        "invitation_id": invitation.pk,
    }
    about = {"customer": invitation.customer, "order": invitation.order, "data": data, "occurred_at": at}
    if answer.not_received:
        recording.record("survey.not_received", invitation.store, answer.pk, **about)
        return
    recorded = recording.record("survey.answered", invitation.store, answer.pk, **about)
    if recorded is None and answer.score <= Answer.LOW and (was or 5) > Answer.LOW:
        # Somebody was content at first. That they are not any more must not go unheard.
        recording.record("survey.answered", invitation.store, f"{answer.pk}:lowered", **about)
