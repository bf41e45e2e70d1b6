"""What is to be said to customers, whether they agreed to it, and addresses that take nothing."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.stores.models import Store
from crm.work.models import DueWork, DueWorkQuerySet

from .kinds import KINDS, STOPPABLE, Purpose


class Channel(models.TextChoices):
    EMAIL = "email", _("E-mail")


class MessageQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def retry(self, at=None):
        # `handed_over_at` stays: one whose process died after that is not sent again, the next claim finds it unknown.
        return self.parked().update(
            state=DueWork.State.DUE,
            attempts=0,
            due_at=at or timezone.now(),
            outcome=Message.Outcome.QUEUED,
        )

    def send_again(self, at=None):
        """Send those whose arrival is unknown once more, though they may then arrive twice; returns how many."""
        return self.filter(outcome=Message.Outcome.UNKNOWN).update(
            state=DueWork.State.DUE,
            attempts=0,
            due_at=at or timezone.now(),
            useful_until=None,
            handed_over_at=None,
            outcome=Message.Outcome.QUEUED,
        )


class Message(DueWork):
    """One thing to be said to one recipient, once; what was said and what became of it."""

    class Outcome(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENT = "sent", _("Sent")
        SKIPPED = "skipped", _("Skipped")
        # It was handed over and no answer came: it may have arrived, so it is not sent again by itself.
        UNKNOWN = "unknown", _("Unknown")
        FAILED = "failed", _("Failed")
        BOUNCED = "bounced", _("Bounced")

    class SkipReason(models.TextChoices):
        NO_ADDRESS = "no_address", _("No usable address")
        SWITCHED_OFF = "switched_off", _("This kind is switched off")
        SUPPRESSED = "suppressed", _("The address bounced or complained")
        NO_CONSENT = "no_consent", _("No consent to marketing")
        UNWANTED = "unwanted", _("Unsubscribed from this purpose")
        STALE = "stale", _("No longer news")
        ORDER_GONE = "order_gone", _("The order was cancelled, refunded or deleted")
        ON_HOLD = "on_hold", _("The customer has an open problem")

    TRANSACTIONAL = False
    # A batch ends within the time of a task also where each mail takes seconds: one that is cut off leaves a mail of unknown fate.
    BATCH = 10
    LEASE = timedelta(minutes=15)
    # With the usual backoff some 26 hours: a mail server that was away for a night loses nothing.
    MAX_ATTEMPTS = 10

    store = models.ForeignKey(Store, models.CASCADE, related_name="messages", verbose_name=_("store"))
    # In the mail's own Message-ID, and in what a mail service reports back.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=60)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    # Why it is sent: "order:1234". The same reason is said once.
    key = models.CharField(_("reason"), max_length=200)
    recipient = models.CharField(_("recipient"), max_length=320, blank=True)
    customer = models.ForeignKey(
        "orders.Customer", models.SET_NULL, null=True, related_name="messages", verbose_name=_("customer")
    )
    order = models.ForeignKey(
        "orders.Order", models.SET_NULL, null=True, related_name="messages", verbose_name=_("order")
    )
    language = models.CharField(_("language"), max_length=10)
    context = models.JSONField(_("context"), default=dict)
    useful_until = models.DateTimeField(_("useful until"), null=True)

    # As sent.
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    text = models.TextField(_("text"), blank=True)
    html = models.TextField(_("HTML"), blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.QUEUED)
    skip_reason = models.CharField(_("skipped because"), max_length=20, choices=SkipReason, blank=True)
    provider_id = models.CharField(_("number at the mail service"), max_length=300, blank=True)
    # Set before the first byte leaves: a row that has it and was not settled is never sent again by itself.
    handed_over_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)

    objects = MessageQuerySet.as_manager()

    class Meta(DueWork.Meta):
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "channel", "recipient", "kind", "key"], name="message_once_per_reason"
            ),
            models.CheckConstraint(
                condition=~models.Q(outcome="sent") | models.Q(sent_at__isnull=False), name="message_sent_when"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="skipped") ^ models.Q(skip_reason=""), name="message_skipped_why"
            ),
        ]
        indexes = [
            *DueWork.Meta.indexes,
            models.Index(fields=["store", "-created_at", "-id"], name="message_newest"),
            models.Index(fields=["customer", "-created_at"], name="message_of_customer"),
            models.Index(fields=["provider_id"], name="message_by_provider_id", condition=~models.Q(provider_id="")),
        ]

    def __str__(self):
        return f"{self.kind_label} → {self.recipient or '∅'}"

    @property
    def kind_label(self):
        kind = KINDS.get(self.kind)
        return kind.label if kind else self.kind

    @property
    def ends(self) -> str:
        """The purpose that unsubscribing from this mail ends."""
        return self.purpose if self.purpose in STOPPABLE else Purpose.MARKETING

    @classmethod
    def perform(cls, rows, at):
        from .sending import send

        send(rows, at)


class ConsentQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def said(self, store, whom, purpose):
        """Of a condition for the address: what was said of a purpose, the last word first."""
        return self.filter(whom, store=store, purpose=purpose).order_by("-at", "-pk")


class Consent(models.Model):
    """A person said yes, or took it back. Rows are added and never changed: the newest one holds."""

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    email = models.CharField(_("e-mail"), max_length=320)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose, default=Purpose.MARKETING)
    given = models.BooleanField(_("given"))
    at = models.DateTimeField(_("at"), default=timezone.now)
    # Where it was said (unsubscribe page, checkout, staff), and what shows it (the words read, the order, the address).
    source = models.CharField(_("source"), max_length=60)
    proof = models.JSONField(_("proof"), default=dict)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["store", "email", "-at"], name="consent_latest")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=models.functions.Lower("email")), name="consent_email_lower"
            )
        ]

    def __str__(self):
        return f"{self.email}: {_('given') if self.given else _('withdrawn')}"


class Suppression(models.Model):
    """An address that gets no mail: of one store, or (without one) of all."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("Bounced")
        COMPLAINT = "complaint", _("Complained")
        MANUAL = "manual", _("Entered by staff")

    store = models.ForeignKey(Store, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("store"))
    email = models.CharField(_("e-mail"), max_length=320)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason, default=Reason.MANUAL)
    detail = models.TextField(_("detail"), blank=True)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        constraints = [
            models.UniqueConstraint(fields=["store", "email"], name="suppression_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=models.Q(email=models.functions.Lower("email")), name="suppression_email_lower"
            ),
        ]
        indexes = [models.Index(fields=["email"], name="suppression_by_email")]

    def __str__(self):
        return self.email

    def clean(self):
        super().clean()
        self.email = self.email.strip().lower()


class HoldQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def active(self, at):
        return self.filter(models.Q(ends_at=None) | models.Q(ends_at__gt=at), lifted_at=None, placed_at__lte=at)

    def with_end(self):
        """Adds `ended_at`: when a hold ended or will end by itself; nothing while nobody knows."""
        return self.annotate(ended_at=models.functions.Least("lifted_at", "ends_at"))


class Hold(models.Model):
    """A customer has an open problem with the shop: bad news first, so no cheerful mail until it is solved."""

    class Kind(models.TextChoices):
        TICKET = "ticket", _("Open ticket")
        PARCEL = "parcel", _("Late or failed parcel")
        REFUND = "refund", _("Refund on its way")
        REVIEW = "review", _("Account that staff check")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    customer = models.ForeignKey("orders.Customer", models.CASCADE, related_name="holds", verbose_name=_("customer"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    # What the problem is: "ticket:12". One is open once.
    reason = models.CharField(_("reason"), max_length=100)
    placed_at = models.DateTimeField(_("since"), default=timezone.now)
    # Nobody has to remember to lift what a parcel without any more news, or money on its way, has placed.
    ends_at = models.DateTimeField(_("ends by itself"), null=True)
    lifted_at = models.DateTimeField(_("lifted"), null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("lifted by")
    )

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "reason"], condition=models.Q(lifted_at=None), name="hold_open_once"
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_at=None) | models.Q(lifted_at__gte=models.F("placed_at")),
                name="hold_lifted_after_it_was_placed",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-placed_at"], name="hold_of_customer"),
            models.Index(fields=["store", "-placed_at", "-id"], name="hold_newest"),
        ]

    def __str__(self):
        return f"{self.get_kind_display()} ({self.reason})"


class MailSettings(models.Model):
    """How a store writes; a store without a row writes as the installation does."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="mail_settings", verbose_name=_("store"))
    from_email = models.EmailField(
        _("from address"),
        blank=True,
        help_text=_("Your mail service must be allowed to send for it. Empty: the installation's own address."),
    )
    reply_to = models.EmailField(_("answers go to"), blank=True, help_text=_("Empty: the store's contact address."))
    switched_off = ArrayField(
        models.CharField(max_length=60),
        verbose_name=_("kinds that are not sent"),
        default=list,
        blank=True,
        help_text=_("For instance because the shop itself sends such a mail."),
    )

    class Meta:
        verbose_name = _("mail settings")
        verbose_name_plural = _("mail settings")

    def __str__(self):
        return str(self.store)


class DeliveryReport(DueWork):
    """What a mail service told of a mail, as it came; applied afterwards."""

    service = models.CharField(_("mail service"), max_length=60)
    type = models.CharField(_("type"), max_length=30)
    provider_id = models.CharField(_("number at the mail service"), max_length=300, blank=True)
    public_id = models.UUIDField(null=True, editable=False)
    recipient = models.CharField(_("recipient"), max_length=320, blank=True)
    reason = models.CharField(_("reason"), max_length=30, blank=True)
    detail = models.TextField(_("detail"), blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))

    MAX_ATTEMPTS = 4
    FORGET_WHEN_DONE = True

    class Meta(DueWork.Meta):
        verbose_name = _("delivery report")
        verbose_name_plural = _("delivery reports")
        constraints = [
            # A service tells again what was not answered in time.
            models.UniqueConstraint(
                fields=["service", "type", "provider_id", "recipient", "occurred_at"], name="delivery_report_once"
            )
        ]

    def __str__(self):
        return f"{self.type} {self.recipient}"

    @classmethod
    def perform(cls, rows, at):
        from .reports import apply

        apply(rows, at)


class MailboxMessage(models.Model):
    """A mail that was not sent but kept, for the demo and for trying things out."""

    sender = models.CharField(_("from"), max_length=400)
    recipients = models.CharField(_("to"), max_length=1000)
    subject = models.CharField(_("subject"), max_length=1000)
    raw = models.BinaryField(_("source"))
    created_at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("mail in the local mailbox")
        verbose_name_plural = _("mails in the local mailbox")

    def __str__(self):
        return self.subject
