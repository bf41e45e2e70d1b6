"""Who is asked what they think of what they bought, and what they said."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, LineItem, Order, Product
from crm.stores.models import Store
from crm.work.models import DueWork, DueWorkQuerySet


class ReviewSettings(models.Model):
    """How a store asks for reviews; a store without a row asks by the defaults."""

    store = models.OneToOneField(Store, models.CASCADE, related_name="review_settings", verbose_name=_("store"))
    enabled = models.BooleanField(_("ask for reviews"), default=True)
    days_after = models.PositiveSmallIntegerField(
        _("days after delivery"),
        default=7,
        validators=[MaxValueValidator(60)],
        help_text=_("Counted from the delivery, or from the completion of an order whose parcels nobody tracks."),
    )

    class Meta:
        verbose_name = _("review settings")
        verbose_name_plural = _("review settings")

    def __str__(self):
        return str(self.store)


class InvitationQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)


class Invitation(DueWork):
    """One order's buyer is asked for a review, once, some days after everything arrived."""

    class Outcome(models.TextChoices):
        PLANNED = "planned", _("Planned")
        INVITED = "invited", _("Invited")
        SKIPPED = "skipped", _("Not asked")

    class SkipReason(models.TextChoices):
        SWITCHED_OFF = "switched_off", _("The store does not ask for reviews")
        ORDER_GONE = "order_gone", _("The order was cancelled, refunded or deleted")
        NOTHING_LEFT = "nothing_left", _("No item is left to review")
        UNHAPPY = "unhappy", _("A low answer of this customer still waits")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    order = models.OneToOneField(Order, models.CASCADE, related_name="review_invitation", verbose_name=_("order"))
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, related_name="review_invitations", verbose_name=_("customer")
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.PLANNED)
    skip_reason = models.CharField(_("not asked because"), max_length=20, choices=SkipReason, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta(DueWork.Meta):
        verbose_name = _("review invitation")
        verbose_name_plural = _("review invitations")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome="skipped") ^ models.Q(skip_reason=""), name="invitation_skipped_why"
            )
        ]

    def __str__(self):
        return str(self.order)

    @classmethod
    def perform(cls, rows, at):
        from . import invitations

        invitations.send(rows, at)


class AnswerQuerySet(models.QuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def open_low(self):
        """Low scores that staff have not decided on."""
        return self.filter(state=Answer.State.WAITING, score__lte=Answer.LOW)


class Answer(models.Model):
    """What a buyer says of one item. It is published whatever the score; it is held back for a reason alone."""

    LOW = 3

    class State(models.TextChoices):
        WAITING = "waiting", _("Waits for a decision")
        APPROVED = "approved", _("Approved, on its way to the shop")
        POSTED = "posted", _("In the shop")
        DECLINED = "declined", _("Declined")

    class DeclineReason(models.TextChoices):
        # No reason here is about the score: holding back bad reviews is against the law in many places.
        ABUSE = "abuse", _("Abusive language")
        PRIVATE = "private", _("Private data of somebody")
        OFF_TOPIC = "off_topic", _("Not about the product")
        SPAM = "spam", _("Advertising or a duplicate")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    invitation = models.ForeignKey(Invitation, models.CASCADE, related_name="answers", verbose_name=_("invitation"))
    line = models.ForeignKey(LineItem, models.SET_NULL, null=True, related_name="+", verbose_name=_("item"))
    product = models.ForeignKey(
        Product, models.SET_NULL, null=True, related_name="review_answers", verbose_name=_("product")
    )
    # As it stood on the order: products are renamed and deleted.
    product_name = models.TextField(_("product"))
    score = models.PositiveSmallIntegerField(
        _("stars"), null=True, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    text = models.TextField(_("text"), blank=True)
    shown_name = models.CharField(_("shown as"), max_length=80, blank=True)
    not_received = models.BooleanField(_("not received"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    decline_reason = models.CharField(_("declined because"), max_length=20, choices=DeclineReason, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    woo_id = models.BigIntegerField(_("number in the shop"), null=True)
    answered_at = models.DateTimeField(_("answered at"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed at"), null=True)

    objects = AnswerQuerySet.as_manager()

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        constraints = [
            models.UniqueConstraint(fields=["invitation", "line"], name="answer_once_per_item"),
            models.CheckConstraint(
                condition=models.Q(score__range=(1, 5)) ^ models.Q(not_received=True, score=None),
                name="answer_has_stars_or_was_not_received",
            ),
            models.CheckConstraint(
                condition=models.Q(state="declined") ^ models.Q(decline_reason=""), name="answer_declined_why"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="posted") | models.Q(woo_id__isnull=False), name="answer_posted_where"
            ),
        ]
        indexes = [
            models.Index(fields=["store", "-answered_at", "-id"], name="answer_newest"),
            models.Index(fields=["product"], name="answer_of_product"),
        ]

    def __str__(self):
        return f"{self.product_name}: {self.score or '—'}"

    @property
    def is_open(self) -> bool:
        """Whether its writer may still change it."""
        return self.state == self.State.WAITING
