"""What is to be written into the shop."""

from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer, Order
from crm.stores.models import Store
from crm.work.models import DueWork, DueWorkQuerySet

# A shop that is down is asked for about a day, at the end every half hour: a reward's code must arrive once it is back.
WAITS = [timedelta(seconds=10), *(timedelta(minutes=m) for m in (1, 5, 15, 30))]

LONGEST_KEY = 120


def while_away(attempts: int) -> timedelta:
    """How long a shop that could not be asked so many times is left alone."""
    return WAITS[min(max(attempts, 1), len(WAITS)) - 1]


class PushQuerySet(DueWorkQuerySet):
    def for_store(self, store):
        return self.filter(store=store)

    def retry(self, at=None):
        """Give parked rows a fresh set of attempts. Who asks for it says that the shop is back: what waits for it is due, too."""
        at = at or timezone.now()
        stores = list(self.parked().order_by().values_list("store", flat=True).distinct())
        # What may have left already is looked for first.
        known = models.Case(models.When(sent_at=None, then=models.Value("queued")), default=models.Value("sent"))
        count = self.parked().update(state=DueWork.State.DUE, attempts=0, due_at=at, outcome=known)
        Push.objects.filter(store__in=stores, state=DueWork.State.DUE, waits_for_shop=True).update(due_at=at)
        return count


class Push(DueWork):
    """One write into a shop: asked for once, sent outside any transaction, and compared with what the shop made of it."""

    class Outcome(models.TextChoices):
        QUEUED = "queued", _("Queued")
        # A request left and its answer is not known: look before sending it again.
        SENT = "sent", _("Sent, answer unknown")
        CONFIRMED = "confirmed", _("Confirmed")
        # By the shop, or by us because the shop made something else of it.
        REFUSED = "refused", _("Refused")
        GIVEN_UP = "given_up", _("Given up")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    store = models.ForeignKey(Store, models.CASCADE, related_name="+", verbose_name=_("store"))
    kind = models.CharField(_("kind"), max_length=40)
    # What makes the write one: for a product review, the answer it came from.
    key = models.CharField(_("key"), max_length=LONGEST_KEY)
    payload = models.JSONField(_("content"))
    # Whom and what it is about, where the mirror knows them.
    customer = models.ForeignKey(
        Customer, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("customer")
    )
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("order")
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.QUEUED, editable=False)
    answer = models.JSONField(_("answer of the shop"), null=True, editable=False)
    woo_id = models.BigIntegerField(_("number in the shop"), null=True, editable=False)
    # When the last request left that may have made something; empty where it is sure that nothing of it stands in the shop.
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    # Nothing is known against this write: the shop as a whole can't be reached, and all that waits for it waits together.
    waits_for_shop = models.BooleanField(_("waits for the shop"), default=False, editable=False)

    objects = PushQuerySet.as_manager()  # type: ignore[misc]  # as of every model whose base has a manager

    TRANSACTIONAL = False
    # One request or two a row, and a slow shop may take all of a request's time.
    BATCH = 1
    LEASE = timedelta(minutes=5)
    MAX_ATTEMPTS = 50

    class Meta(DueWork.Meta):
        verbose_name = _("write to the shop")
        verbose_name_plural = _("writes to the shop")
        indexes = [*DueWork.Meta.indexes, models.Index(fields=["store", "-id"], name="push_newest")]
        constraints = [
            models.UniqueConstraint(fields=["store", "kind", "key"], name="push_once_per_key"),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(outcome__in=["confirmed", "withdrawn"]),
                name="push_done_means_confirmed_or_withdrawn",
            ),
            models.CheckConstraint(
                condition=~models.Q(outcome__in=["refused", "given_up"]) | models.Q(state="parked"),
                name="push_given_up_waits_for_people",
            ),
        ]

    def __str__(self):
        return f"{self.kind} {self.key}"

    @property
    def kind_shown(self) -> str:
        from ..push import KINDS

        kind = KINDS.get(self.kind)
        return str(kind.label) if kind else self.kind

    @classmethod
    def perform(cls, rows, at):
        from ..push import perform

        perform(rows, at)

    @classmethod
    def on_parked(cls, rows, at):
        from ..push import tell_of_parked

        tell_of_parked(rows)

    def backoff(self) -> timedelta:
        return while_away(self.attempts)
