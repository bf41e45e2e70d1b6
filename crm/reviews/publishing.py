"""What staff decide about a review, and its way into the shop."""

import html
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from crm.events import recording
from crm.stores.models import User
from crm.woocommerce import push

from .models import Answer, Invitation

PUSH_KIND = "product_review"


class CannotPublish(Exception):
    """This answer can't go to the shop; the message tells staff why."""


@transaction.atomic
def approve(answer: Answer, user: User, at: datetime) -> None:
    """Publish it in the shop. Raises CannotPublish; approving twice publishes once."""
    answer = Answer.objects.select_for_update().get(pk=answer.pk)
    if answer.state in (Answer.State.APPROVED, Answer.State.POSTED):
        return
    reason = obstacle(answer)
    if reason or answer.product is None:
        raise CannotPublish(reason)
    invitation = Invitation.objects.select_related("order__customer", "store").get(pk=answer.invitation_id)
    order = invitation.order
    payload = {
        "product_id": answer.product.woo_id,
        # The shop takes HTML, and from an administrator's key WordPress takes any; what a customer wrote is words.
        "review": html.escape(answer.text, quote=False),
        "reviewer": answer.shown_name,
        "reviewer_email": order.billing_email or (order.customer.email if order.customer else ""),
        "rating": answer.score,
        "status": "approved",
    }
    _decide(answer, Answer.State.APPROVED, "", user, at)
    try:
        push.queue(
            invitation.store, PUSH_KIND, f"answer:{answer.pk}", payload, customer=order.customer, order=order, at=at
        )
    except push.BadPayload as error:
        raise CannotPublish(str(error)) from error


def obstacle(answer: Answer) -> str:
    """Why the shop could not show this answer; empty if it could."""
    if answer.not_received:
        return _("The item was not received, so there is no review.")
    if not answer.text:
        return _("WooCommerce takes no review without words. The stars stay here.")
    if answer.product is None or answer.product.deleted_at:
        return _("The product is no longer in the shop.")
    if not answer.product.reviews_allowed:
        return _("Reviews are switched off for this product in the shop.")
    if _duplicate(answer):
        return _("This customer already has a review of this product in the shop.")
    return ""


def _duplicate(answer):
    customer_id = answer.invitation.customer_id
    others = Answer.objects.filter(
        store=answer.store_id,
        product=answer.product_id,
        invitation__customer=customer_id,
        state__in=[Answer.State.APPROVED, Answer.State.POSTED],
    )
    return customer_id is not None and others.exclude(pk=answer.pk).exists()


@transaction.atomic
def decline(answer: Answer, reason: str, user: User, at: datetime) -> None:
    """Hold it back for a reason that is not its score. What is in the shop already stays there."""
    answer = Answer.objects.select_for_update().get(pk=answer.pk)
    if answer.is_open:
        _decide(answer, Answer.State.DECLINED, Answer.DeclineReason(reason), user, at)


def _decide(answer, state, reason, user, at):
    answer.state, answer.decline_reason, answer.decided_by, answer.decided_at = state, reason, user, at
    answer.save(update_fields=["state", "decline_reason", "decided_by", "decided_at"])


def posted(pushed) -> None:
    """The shop has it: called in the transaction that settles the push."""
    pk = int(pushed.key.removeprefix("answer:"))
    answer = Answer.objects.select_related("invitation__order", "invitation__customer", "store").get(
        pk=pk, store=pushed.store_id
    )
    answer.state, answer.woo_id = Answer.State.POSTED, pushed.woo_id
    answer.save(update_fields=["state", "woo_id"])
    recording.record(
        "review.posted",
        answer.store,
        answer.pk,
        customer=answer.invitation.customer,
        order=answer.invitation.order,
        data={"woo_id": pushed.woo_id},
    )
