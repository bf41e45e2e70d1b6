"""What happened around a ticket, in one order: the conversation, and between its messages the facts."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.events.models import Event
from crm.messaging import kinds
from crm.messaging.models import Message as Mail
from crm.stores import formats

from .models import Message, Ticket

# What led to the question is worth seeing; last year is not.
BEFORE = timedelta(days=30)
MOST_FACTS = 80
OURS = ("ticket-opened", "ticket-reply")

WORDS = {
    "customer.created": _("Became a customer"),
    "customer.joined": _("Guest orders joined to this customer"),
    "order.created": _("Order #%(order)s placed"),
    "order.paid": _("Order #%(order)s paid, %(total)s"),
    "order.completed": _("Order #%(order)s completed"),
    "order.cancelled": _("Order #%(order)s cancelled"),
    "order.updated": _("Order #%(order)s is now “%(status)s”, was “%(was)s”"),
    "order.refunded": _("%(amount)s of order #%(order)s refunded"),
    "refund.deleted": _("Refund of %(amount)s for order #%(order)s deleted"),
    "order.noted": _("Note on order #%(order)s"),
    "coupon.used": _("Coupon %(code)s used on order #%(order)s"),
    "product_review.created": _("Reviewed a product in the shop, %(rating)s of 5"),
    "product_review.deleted": _("Review in the shop deleted"),
    "order.deleted": _("Order #%(order)s deleted in the shop"),
    "order.restored": _("Order #%(order)s restored in the shop, now “%(status)s”"),
    "customer.deleted": _("Account deleted in the shop"),
    "shipment.shipped": _("Parcel %(number)s shipped with %(carrier)s"),
    "shipment.in_transit": _("Parcel %(number)s on its way"),
    "shipment.out_for_delivery": _("Parcel %(number)s out for delivery"),
    "shipment.delivered": _("Parcel %(number)s delivered"),
    "shipment.failed": _("Parcel %(number)s could not be delivered"),
    "shipment.delayed": _("Parcel %(number)s is delayed"),
    "points.earned": _("%(points)s points earned"),
    "points.reversed": _("%(points)s points taken back"),
    "points.adjusted": _("Points adjusted by %(points)s"),
    "survey.answered": _("Rated %(product)s %(score)s of 5"),
    "survey.not_received": _("Not received: %(product)s"),
    "review.posted": _("Review published in the shop"),
    "message.sent": _("Mail sent: %(kind)s"),
    "message.bounced": _("Mail came back: %(kind)s"),
    "ticket.opened": _("Ticket #%(number)s opened: %(subject)s"),
    "ticket.resolved": _("Ticket #%(number)s resolved: %(subject)s"),
}


@dataclass
class Said:
    """A message, with the mail that took it to the customer."""

    message: Message
    mail: Mail | None

    @property
    def at(self):
        return self.message.created_at


@dataclass
class Facts:
    """Facts with no message between them: `(when, words)`, oldest first."""

    lines: list[tuple[datetime, str]] = field(default_factory=list)


def of_ticket(ticket: Ticket) -> list[Said | Facts]:
    """The conversation, oldest first, with the facts folded in between; a constant number of queries."""
    said = _said(ticket)
    entries = [(entry.at, entry.message.pk, entry) for entry in said]
    entries += [(at, 0, words) for at, words in _facts(ticket)]
    folded: list[Said | Facts] = []
    between: Facts | None = None
    for at, _pk, entry in sorted(entries, key=lambda entry: entry[:2]):
        if isinstance(entry, Said):
            folded.append(entry)
            between = None
            continue
        if between is None:
            between = Facts()
            folded.append(between)
        between.lines.append((at, entry))
    return folded


def words_of(event: Event) -> str:
    """An event as staff read it; an unknown type by its name."""
    values = _Values(event.data)
    values["order"] = event.order.number if event.order else event.data.get("number", "–")
    currency = event.data.get("currency") or (event.order.currency if event.order else "")
    for name in ("total", "amount"):
        if name in event.data:
            values[name] = formats.money(event.data[name], currency)
    if "kind" in event.data and event.data["kind"] in kinds.KINDS:
        values["kind"] = kinds.KINDS[event.data["kind"]].label
    words = WORDS.get(event.type)
    return str(words) % values if words else event.type


class _Values(dict):
    def __missing__(self, key):
        return "–"


def _said(ticket):
    messages = list(ticket.messages.select_related("author"))
    mails = Mail.objects.filter(
        store=ticket.store_id,
        channel="email",
        recipient=ticket.email,
        kind="ticket-reply",
        key__in=[str(message.pk) for message in messages],
    ).defer("text", "html", "context")
    by_key = {mail.key: mail for mail in mails}
    return [Said(message, by_key.get(str(message.pk))) for message in messages]


def _facts(ticket):
    about = Q(pk__in=[])
    if ticket.customer_id:
        about |= Q(customer=ticket.customer_id)
    if ticket.order_id:
        about |= Q(order=ticket.order_id)
    events = (
        Event.objects.for_store(ticket.store_id)
        .filter(about, occurred_at__gte=ticket.created_at - BEFORE)
        # The messages themselves stand in the conversation.
        .exclude(type="ticket.replied")
        .exclude(type="ticket.opened", key=str(ticket.pk))
        .exclude(type__startswith="message.", data__kind__in=OURS)
        .select_related("order")
        .order_by("-occurred_at", "-pk")[:MOST_FACTS]
    )
    facts = [(event.occurred_at, words_of(event)) for event in events]
    changes = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Ticket), object_id=str(ticket.pk)
    ).select_related("user")
    facts += [(change.action_time, f"{_name(change.user)}: {change.get_change_message()}") for change in changes]
    return facts


def _name(user):
    return user.get_short_name() or user.email
