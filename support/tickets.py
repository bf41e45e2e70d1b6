"""Tickets: the only code that opens, answers and moves them. The database stands behind it with constraints.

Writers of one ticket wait for each other on its row, so that a message's primary key tells the order in which the
conversation grew: the last one that a page showed is the version that a stale reply is refused by.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from crm.events.recording import record
from crm.messaging import holds, outbox
from crm.orders.models import Customer, Order
from crm.stores.models import Membership, Store, User
from crm.stores.staff import has_role

from .figures import ANSWER_WITHIN
from .models import Message, Ticket

Status = Ticket.Status
Channel = Ticket.Channel
LONGEST_TEXT = 10_000
# A number a customer can quote without being told that nobody ever asked before.
FIRST_NUMBER = 1001
MAY_ANSWER = {Membership.Role.OWNER, Membership.Role.AGENT}
# Who wrote to us by these hears that it arrived; who spoke to a person, or is thanked on a page, does not.
ACKNOWLEDGED = {Channel.PORTAL, Channel.MAIL, Channel.API}


class NewerMessages(Exception):
    """Others wrote since the page was opened: read before you send. `count` says how many messages."""

    def __init__(self, count: int):
        super().__init__(f"{count} newer messages")
        self.count = count


class NotAnAgent(Exception):
    """The person does not work for the ticket's store, or only looks on."""


@transaction.atomic
def open(
    store: Store,
    *,
    subject: str,
    text: str,
    channel: str,
    type: str = Ticket.Type.QUESTION,
    priority: str = Ticket.Priority.NORMAL,
    customer: Customer | None = None,
    order: Order | None = None,
    email: str = "",
    language: str = "",
    cause: str = "",
    at: datetime | None = None,
) -> Ticket:
    """Open a ticket with the customer's first message; the ticket that this `cause` opened before, if it did.

    `customer` defaults to the order's, `email` to the customer's address. Raises ValueError for rows of another store.
    """
    at = at or timezone.now()
    customer = customer or (order.customer if order else None)
    if any(row is not None and row.store_id != store.pk for row in (customer, order)):
        raise ValueError("Customer and order must be of the ticket's store.")
    _take_turns(store)
    if cause and (known := Ticket.objects.for_store(store).filter(cause=cause).first()):
        return known
    highest = Ticket.objects.for_store(store).aggregate(number=Max("number"))["number"]
    email = (email or (customer.email if customer else "") or (order.billing_email if order else "")).strip().lower()
    ticket = Ticket.objects.create(
        store=store,
        number=(highest or FIRST_NUMBER - 1) + 1,
        subject=" ".join(subject.split())[:200],
        channel=channel,
        type=type,
        priority=priority,
        customer=customer,
        order=order,
        email=email,
        language=store.language_for(language, customer.language if customer else ""),
        created_at=at,
        first_response_due_at=at + ANSWER_WITHIN,
        waiting_since=at,
        last_message_at=at,
        last_customer_message_at=at,
        cause=cause,
    )
    ticket.messages.create(author_kind=Message.Author.CUSTOMER, body=text, created_at=at, cause=cause)
    _hold(ticket, at)
    _tell("ticket.opened", ticket, ticket.pk, at)
    if channel in ACKNOWLEDGED:
        _mail("ticket-opened", ticket, ticket.pk, text)
    return ticket


@transaction.atomic
def reply_from_customer(ticket: Ticket, text: str, *, cause: str = "", at: datetime | None = None) -> Message:
    """Add what the customer wrote. A ticket that was waiting, resolved or closed is open again, and an answer is owed."""
    at = at or timezone.now()
    ticket = _lock(ticket)
    if cause and (known := ticket.messages.filter(cause=cause).first()):
        return known
    message = ticket.messages.create(author_kind=Message.Author.CUSTOMER, body=text, created_at=at, cause=cause)
    ticket.status, ticket.resolved_at = Status.OPEN, None
    ticket.waiting_since = ticket.waiting_since or at
    ticket.last_message_at = ticket.last_customer_message_at = at
    ticket.save(update_fields=["status", "resolved_at", "waiting_since", "last_message_at", "last_customer_message_at"])
    _hold(ticket, at)
    _tell("ticket.replied", ticket, message.pk, at, by="customer")
    return message


@transaction.atomic
def reply_from_staff(
    ticket: Ticket,
    author: User | None,
    text: str,
    *,
    seen: int | None = None,
    cause: str = "",
    at: datetime | None = None,
) -> Message:
    """Answer the customer, by mail and in the portal. `author` None is a merchant's program.

    `seen` is the last message (primary key) that the writer had before them: raises NewerMessages if others wrote after it. Raises
    NotAnAgent. The status stays; a ticket that was done is open again.
    """
    at = at or timezone.now()
    ticket = _lock(ticket)
    _must_be_agent(ticket, author)
    if cause and (known := ticket.messages.filter(cause=cause).first()):
        return known
    if seen is not None and (newer := _newer(ticket, seen, author)):
        raise NewerMessages(newer)
    message = ticket.messages.create(
        author_kind=Message.Author.STAFF, author=author, body=text, created_at=at, cause=cause
    )
    ticket.first_responded_at = ticket.first_responded_at or at
    if ticket.is_done:
        ticket.status, ticket.resolved_at = Status.OPEN, None
    ticket.waiting_since = None
    ticket.last_message_at = at
    ticket.save(update_fields=["status", "resolved_at", "first_responded_at", "waiting_since", "last_message_at"])
    _hold(ticket, at)
    _tell("ticket.replied", ticket, message.pk, at, by="staff")
    _mail("ticket-reply", ticket, message.pk, text)
    return message


@transaction.atomic
def note(ticket: Ticket, author: User | None, text: str, *, cause: str = "", at: datetime | None = None) -> Message:
    """Keep something among staff. It moves no clock, makes no event and no mail: nothing of it leaves the desk."""
    ticket = _lock(ticket)
    _must_be_agent(ticket, author)
    if cause and (known := ticket.messages.filter(cause=cause).first()):
        return known
    return ticket.messages.create(
        author_kind=Message.Author.STAFF,
        author=author,
        body=text,
        internal=True,
        created_at=at or timezone.now(),
        cause=cause,
    )


@transaction.atomic
def wait_for_customer(ticket: Ticket) -> Ticket:
    """It is the customer's turn: no answer is owed until they write."""
    return _move(ticket, Status.WAITING)


@transaction.atomic
def resolve(ticket: Ticket, at: datetime | None = None) -> Ticket:
    at = at or timezone.now()
    ticket = _lock(ticket)
    if ticket.status == Status.RESOLVED:
        return ticket
    _finish(ticket, Status.RESOLVED, at)
    # A ticket can be resolved again after it was reopened; each time is a fact of its own.
    _tell("ticket.resolved", ticket, f"{ticket.pk}:{at:%Y%m%d%H%M%S%f}", at)
    return ticket


@transaction.atomic
def close(ticket: Ticket, at: datetime | None = None) -> Ticket:
    """Put it away without calling it resolved: spam, a duplicate, nothing to do."""
    ticket = _lock(ticket)
    if ticket.status != Status.CLOSED:
        _finish(ticket, Status.CLOSED, at or timezone.now())
    return ticket


@transaction.atomic
def reopen(ticket: Ticket) -> Ticket:
    return _move(ticket, Status.OPEN)


@transaction.atomic
def assign(ticket: Ticket, user: User | None) -> Ticket:
    """Give the ticket to a member of staff, or to nobody. Raises NotAnAgent."""
    ticket = _lock(ticket)
    _must_be_agent(ticket, user)
    ticket.assignee = user
    ticket.save(update_fields=["assignee"])
    return ticket


def set_priority(ticket: Ticket, priority: str) -> None:
    ticket.priority = Ticket.Priority(priority)
    ticket.save(update_fields=["priority"])


def set_type(ticket: Ticket, type: str) -> None:
    ticket.type = Ticket.Type(type)
    ticket.save(update_fields=["type"])


def follow_up_rating(store: Store, *, cause: str, score: int, text: str, product: str, customer, order) -> Ticket:
    """A customer was not happy with a purchase: somebody writes to them."""
    with override(store.language_for(customer.language if customer else "")):
        named = product or _in_short(store, order)
        subject = _("Low rating: %(product)s") % {"product": named}
        said = _("%(product)s: rated %(score)s of 5.") % {"product": named, "score": score}
    return _follow_up(store, cause, Ticket.Type.REVIEW, subject, f"{said}\n\n{text}", customer, order)


def follow_up_missing(store: Store, *, cause: str, text: str, product: str, customer, order) -> Ticket:
    """A customer was asked for a review and says that the thing never came."""
    with override(store.language_for(customer.language if customer else "")):
        named = product or _in_short(store, order)
        subject = _("Not received: %(product)s") % {"product": named}
        said = _("%(product)s has not arrived.") % {"product": named}
    return _follow_up(store, cause, Ticket.Type.DELIVERY, subject, f"{said}\n\n{text}", customer, order)


def move_tickets(store: Store, guest_id: int, customer_id: int) -> int:
    """A guest turned out to be a registered customer; returns how many tickets went along."""
    return Ticket.objects.for_store(store).filter(customer_id=guest_id).update(customer_id=customer_id)


def agents(store: Store):
    """Who may be given a ticket of the store."""
    return User.objects.filter(
        memberships__store=store, memberships__role__in=MAY_ANSWER, is_active=True, is_staff=True
    ).order_by("first_name", "email")


def customer_of(store: Store, email: str) -> Customer | None:
    """The customer of an address, the registered one before a guest."""
    return Customer.objects.for_store(store).with_email(email).current().order_by("woo_id", "pk").first()


def portal_url(ticket: Ticket) -> str:
    """The conversation in the portal, as an absolute address."""
    return settings.SITE_URL + reverse("portal-ticket", args=[ticket.store.slug, ticket.number])


@transaction.atomic
def _follow_up(store, cause, type, subject, text, customer, order):
    """A ticket, or one more message where another answer about the same order has opened one."""
    _take_turns(store)
    text = text.strip()[:LONGEST_TEXT]
    if order and (ticket := Ticket.objects.active().filter(store=store, order=order, channel=Channel.REVIEW).first()):
        reply_from_customer(ticket, text, cause=cause)
        return ticket
    return open(
        store,
        subject=subject,
        text=text,
        channel=Channel.REVIEW,
        type=type,
        customer=customer,
        order=order,
        cause=cause,
    )


def _in_short(store, order) -> str:
    return f"#{order.number}" if order else store.name


def _take_turns(store):
    """Until the end of the transaction nobody else opens a ticket in the store: numbers have no gaps, and a cause opens one."""
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)


def _lock(ticket) -> Ticket:
    return (
        Ticket.objects.select_for_update(no_key=True, of=("self",))
        .select_related("store", "customer", "order")
        .get(pk=ticket.pk)
    )


def _must_be_agent(ticket, user):
    if user is not None and not has_role(user, MAY_ANSWER, ticket.store_id):
        raise NotAnAgent(f"{user} does not answer for {ticket.store}")


def _newer(ticket, seen, author) -> int:
    """Messages that the author has neither seen nor written."""
    newer = ticket.messages.filter(pk__gt=seen)
    return (newer.exclude(author=author) if author else newer).count()


def _move(ticket, status):
    ticket = _lock(ticket)
    ticket.status, ticket.resolved_at = status, None
    if status == Status.WAITING:
        ticket.waiting_since = None
    ticket.save(update_fields=["status", "resolved_at", "waiting_since"])
    _hold(ticket, timezone.now())
    return ticket


def _finish(ticket, status, at):
    ticket.status, ticket.resolved_at, ticket.waiting_since = status, ticket.resolved_at or at, None
    ticket.save(update_fields=["status", "resolved_at", "waiting_since"])
    _hold(ticket, at)


def _hold(ticket, at):
    """As long as the ticket is open its customer gets no cheerful mail, and no points of theirs expire."""
    reason = f"ticket:{ticket.pk}"
    if ticket.is_done:
        holds.lift(ticket.store, [reason], at)
    elif ticket.customer_id:
        holds.place(ticket.store, holds.Kind.TICKET, [holds.Problem(ticket.customer_id, reason, at)])


def _tell(type, ticket, key, at, **data):
    record(
        type,
        ticket.store,
        key,
        customer=ticket.customer,
        order=ticket.order,
        data={"ticket_id": ticket.pk, "number": ticket.number, "subject": ticket.subject, **data},
        occurred_at=at,
    )


def _mail(kind, ticket, key, text):
    """A service mail with what was written, and the way to the whole conversation."""
    if not ticket.email:
        return
    context = {"number": ticket.number, "subject": ticket.subject, "text": text, "url": portal_url(ticket)}
    outbox.queue(
        ticket.store,
        kind,
        str(key),
        customer=ticket.customer,
        email=ticket.email,
        order=ticket.order,
        context=context,
        language=ticket.language,
    )
