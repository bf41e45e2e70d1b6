from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, Order
from crm.stores.models import Store

from .figures import ANSWER_WITHIN, FiguresQuerySet, is_late


class TicketQuerySet(FiguresQuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def for_user(self, user):
        """Tickets of the stores that this member of staff works for."""
        if user.is_superuser:
            return self
        return self.filter(store__in=Store.objects.for_user(user))

    def of_person(self, store, customers, email):
        """What the person with this proven address may see: their customer rows' tickets, and those that only have the address."""
        return self.filter(Q(customer__in=customers) | Q(customer=None, email=email), store=store)

    def active(self):
        return self.filter(status__in=[Ticket.Status.OPEN, Ticket.Status.WAITING])

    def owed(self):
        """The customer waits for an answer."""
        return self.exclude(waiting_since=None)

    def late(self, at):
        """Owed an answer, and the time for it is over."""
        return self.filter(is_late(at))

    def most_urgent_first(self):
        """Who waits longest for an answer comes first; then what was answered, the latest first."""
        return self.order_by(models.F("waiting_since").asc(nulls_last=True), "-last_message_at", "-pk")

    def with_first_line(self):
        """Adds `excerpt`, the beginning of what the customer wrote last."""
        newest = Message.objects.filter(ticket=models.OuterRef("pk"), author_kind=Message.Author.CUSTOMER).order_by(
            "-pk"
        )
        text = models.functions.Left("body", 200)
        return self.annotate(excerpt=models.Subquery(newest.annotate(text=text).values("text")[:1]))


class Ticket(models.Model):
    """A customer's request for help; the conversation is its messages."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        WAITING = "waiting", _("Waiting for customer")
        RESOLVED = "resolved", _("Resolved")
        CLOSED = "closed", _("Closed")

    class Priority(models.TextChoices):
        LOW = "low", _("Low")
        NORMAL = "normal", _("Normal")
        HIGH = "high", _("High")
        URGENT = "urgent", _("Urgent")

    class Type(models.TextChoices):
        QUESTION = "question", _("Question")
        DELIVERY = "delivery", _("Delivery")
        RETURN = "return", _("Return")
        WARRANTY = "warranty", _("Warranty claim")
        REPAIR = "repair", _("Repair")
        TECHNICAL = "technical", _("Technical support")
        COMPLAINT = "complaint", _("Complaint")
        REVIEW = "review", _("Review follow-up")

    class Channel(models.TextChoices):
        PORTAL = "portal", _("Portal")
        MAIL = "mail", _("E-mail")
        PHONE = "phone", _("Phone")
        CHAT = "chat", _("Chat")
        REVIEW = "review", _("Review")
        API = "api", _("API")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    # Counts up in each store; what customers and staff call it.
    number = models.PositiveIntegerField(_("number"), editable=False)
    subject = models.CharField(_("subject"), max_length=200)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    priority = models.CharField(_("priority"), max_length=10, choices=Priority, default=Priority.NORMAL)
    type = models.CharField(_("type"), max_length=10, choices=Type, default=Type.QUESTION)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel)
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, blank=True, related_name="tickets", verbose_name=_("customer")
    )
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, blank=True, related_name="tickets", verbose_name=_("order")
    )
    # Where answers go; lower case. Empty when only a phone number is known.
    email = models.CharField(_("e-mail"), max_length=320, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("assignee")
    )
    created_at = models.DateTimeField(_("opened"), default=timezone.now, editable=False)
    # Copied on opening: changing the promise must not rewrite history.
    first_response_due_at = models.DateTimeField(_("first answer due"), editable=False)
    first_responded_at = models.DateTimeField(_("first answered"), null=True, editable=False)
    # The oldest message of the customer that nobody has answered yet; nothing when no answer is owed.
    waiting_since = models.DateTimeField(_("waiting since"), null=True, editable=False)
    resolved_at = models.DateTimeField(_("resolved"), null=True, editable=False)
    # Of messages that the customer may see: the time of a note would tell of it.
    last_message_at = models.DateTimeField(_("last message"), editable=False)
    last_customer_message_at = models.DateTimeField(_("last message of the customer"), null=True, editable=False)
    # Why a ticket exists that a fact opened ("survey:12") or a form sent ("form:…"): the same cause opens one ticket.
    cause = models.CharField(max_length=120, blank=True, editable=False)

    objects = TicketQuerySet.as_manager()

    class Meta:
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        constraints = [
            models.UniqueConstraint(fields=["store", "number"], name="ticket_number_once_per_store"),
            models.UniqueConstraint(fields=["store", "cause"], condition=~Q(cause=""), name="ticket_once_per_cause"),
            models.CheckConstraint(
                condition=Q(status__in=["open", "waiting"], resolved_at=None)
                | Q(status__in=["resolved", "closed"], resolved_at__isnull=False, waiting_since=None),
                name="ticket_resolved_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["store", "waiting_since"],
                name="ticket_queue",
                condition=Q(status__in=["open", "waiting"]),
            ),
            models.Index(fields=["customer", "-created_at"], name="ticket_of_customer"),
            models.Index(fields=["store", "email"], name="ticket_by_email"),
            models.Index(fields=["store", "-created_at"], name="ticket_newest"),
        ]

    def __str__(self):
        return f"#{self.number} {self.subject}"

    @property
    def is_done(self) -> bool:
        return self.status in (self.Status.RESOLVED, self.Status.CLOSED)

    @property
    def answer_due_at(self) -> datetime | None:
        """When the answer that is owed now should be there; None when none is."""
        if self.waiting_since is None:
            return None
        if self.first_responded_at is None:
            return self.first_response_due_at
        return self.waiting_since + ANSWER_WITHIN

    @property
    def first_response_took(self) -> timedelta | None:
        return self.first_responded_at and self.first_responded_at - self.created_at

    @property
    def person(self) -> str:
        return (self.customer.name if self.customer else "") or self.email or str(_("Unknown customer"))


class MessageQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(ticket__store=store)

    def public(self):
        """What a customer may see. Every customer's door reads messages through this and nothing else."""
        return self.filter(internal=False)


class Message(models.Model):
    """One contribution to a ticket's conversation. Written once, never changed."""

    class Author(models.TextChoices):
        CUSTOMER = "customer", _("Customer")
        STAFF = "staff", _("Staff")
        SYSTEM = "system", _("System")

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="messages", verbose_name=_("ticket"))
    author_kind = models.CharField(_("written by"), max_length=10, choices=Author)
    # The member of staff; nobody for what a merchant's program wrote.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("author")
    )
    body = models.TextField(_("text"))
    internal = models.BooleanField(_("internal note"), default=False)
    created_at = models.DateTimeField(_("written at"), default=timezone.now)
    # The same form or fact writes one message, however often it is sent.
    cause = models.CharField(max_length=120, blank=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("ticket message")
        verbose_name_plural = _("ticket messages")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(internal=False) | Q(author_kind__in=["staff", "system"]), name="note_is_never_customers"
            ),
            models.CheckConstraint(condition=Q(author=None) | Q(author_kind="staff"), name="message_author_is_staff"),
            models.CheckConstraint(condition=~Q(body=""), name="message_has_text"),
            models.UniqueConstraint(fields=["ticket", "cause"], condition=~Q(cause=""), name="message_once_per_cause"),
        ]

    def __str__(self):
        return self.body[:60]

    @property
    def author_name(self) -> str:
        """As staff see it; a customer sees the first name alone."""
        return (self.author.get_full_name() or self.author.email) if self.author else ""
