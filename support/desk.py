"""What an agent's ticket page shows: the queue, the conversation, and who is asking about what."""

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Prefetch, Q, Sum
from django.utils.translation import gettext_lazy as _

from crm.messaging import context as mail_context
from crm.messaging.models import Message as Mail
from crm.orders.models import Order, OrderNote
from crm.orders.panels import panels_for
from crm.stores import formats

from . import clock, tickets, timeline
from .models import Ticket

QUEUE = 25
# The views of the queue, in the order of their tabs.
VIEWS = {
    "active": _("Open"),
    "mine": _("Mine"),
    "unassigned": _("Unassigned"),
    "late": _("Late"),
    "waiting": _("Waiting"),
    "all": _("All"),
}


def view(queryset, name: str, user, at):
    """The tickets of one view of the queue."""
    if name == "all":
        return queryset
    active = queryset.active()
    return {
        "mine": lambda: active.filter(assignee=user),
        "unassigned": lambda: active.filter(assignee=None),
        "late": lambda: active.late(at),
        "waiting": lambda: active.filter(status=Ticket.Status.WAITING),
    }.get(name, lambda: active)()


def tabs(queryset, chosen: str, user, at) -> list[dict]:
    """`{name, label, count, current}` of each view."""
    counts = queryset.counts(user, at)
    return [
        {"name": name, "label": label, "count": counts[name], "current": name == chosen}
        for name, label in VIEWS.items()
    ]


def queue(queryset, name: str, user, at) -> list[Ticket]:
    """The most urgent tickets of a view, each with its `chip`."""
    rows = view(queryset, name, user, at).select_related("customer", "store").with_first_line().most_urgent_first()
    rows = list(rows[:QUEUE])
    for ticket in rows:
        ticket.chip = clock.chip(ticket, at)
    return rows


def conversation(ticket: Ticket, at) -> dict:
    entries = timeline.of_ticket(ticket)
    said = [entry for entry in entries if isinstance(entry, timeline.Said)]
    return {
        "entries": entries,
        "last_seen": said[-1].message.pk if said else 0,
        "chip": clock.chip(ticket, at),
        "undelivered": next(
            (s.mail for s in reversed(said) if s.mail and s.mail.outcome in ("bounced", "failed")), None
        ),
    }


def surroundings(ticket: Ticket) -> dict:
    """The column beside the conversation."""
    customer, store = ticket.customer, ticket.store
    return {
        "customer": customer,
        "spent": _spent(customer) if customer else None,
        "orders": _orders(ticket),
        # What shipping tells a mail of the order: its tracking page.
        "tracking": mail_context.provided(store, customer, ticket.order).get("tracking") if ticket.order else None,
        "panels": panels_for(store, customer, ticket.order),
        "earlier": _earlier(ticket),
        "mails": _mails(ticket),
    }


def selects(ticket: Ticket) -> list[dict]:
    """The little forms of the page's head: `{name, label, value, choices}`."""
    people = {user.pk: user for user in tickets.agents(ticket.store)}
    if ticket.assignee:
        people.setdefault(ticket.assignee_id, ticket.assignee)
    assignees = [("", _("Nobody")), *((pk, user.get_full_name() or user.email) for pk, user in people.items())]
    return [
        {"name": "status", "label": _("Status"), "value": ticket.status, "choices": Ticket.Status.choices},
        {"name": "assignee", "label": _("Assignee"), "value": ticket.assignee_id or "", "choices": assignees},
        {"name": "priority", "label": _("Priority"), "value": ticket.priority, "choices": Ticket.Priority.choices},
        {"name": "type", "label": _("Type"), "value": ticket.type, "choices": Ticket.Type.choices},
    ]


def _spent(customer) -> dict:
    """`{count, sums}`: paid orders, and what was paid for them less what was given back, by currency."""
    rows = (
        Order.objects.existing()
        .filter(customer=customer, is_paid=True)
        .values("currency")
        .annotate(count=Count("pk"), net=Sum(F("total") - F("refunded_total")))
        .order_by("-count")
    )
    return {
        "count": sum(row["count"] for row in rows),
        "sums": [formats.money(row["net"], row["currency"]) for row in rows],
    }


def _orders(ticket) -> list[Order]:
    """The ticket's own order first, then the customer's newest."""
    wanted = own = Q(pk=ticket.order_id or 0)
    if ticket.customer_id:
        wanted |= Q(customer=ticket.customer_id)
    orders = (
        Order.objects.for_store(ticket.store)
        .filter(wanted)
        .order_by(ExpressionWrapper(own, BooleanField()).desc(), "-date_created_gmt", "-pk")
        .prefetch_related("line_items", Prefetch("notes", OrderNote.objects.order_by("date_created_gmt", "pk")))
    )
    return list(orders[:3])


def _earlier(ticket):
    others = Ticket.objects.for_store(ticket.store).exclude(pk=ticket.pk)
    if ticket.customer_id:
        others = others.filter(customer=ticket.customer_id)
    elif ticket.email:
        others = others.filter(email=ticket.email)
    else:
        return []
    return list(others.order_by("-created_at")[:5])


def _mails(ticket):
    if not ticket.customer_id:
        return []
    mails = Mail.objects.filter(store=ticket.store, customer=ticket.customer_id).defer("text", "html", "context")
    return list(mails.order_by("-created_at")[:5])
