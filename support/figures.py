"""How well customers are answered, counted by the database in one statement."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, F, Q
from django.utils.translation import gettext_lazy as _

# The promise to the customer.
ANSWER_WITHIN = timedelta(minutes=5)

# How long the first answer took: up to and including.
BUCKETS = [
    (_("5 minutes"), timedelta(minutes=5)),
    (_("1 hour"), timedelta(hours=1)),
    (_("4 hours"), timedelta(hours=4)),
    (_("1 day"), timedelta(days=1)),
    (_("5 days"), timedelta(days=5)),
]


class Median(models.Aggregate):
    """The middle value; None without values."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = models.DurationField()


def is_late(at: datetime) -> Q:
    """The customer waits for an answer, and the time for it is over."""
    return Q(waiting_since__isnull=False) & (
        Q(first_responded_at=None, first_response_due_at__lt=at)
        | Q(first_responded_at__isnull=False, waiting_since__lt=at - ANSWER_WITHIN)
    )


class FiguresQuerySet(models.QuerySet):
    """Questions about all tickets of a queryset, such as `Ticket.objects.for_user(user)`."""

    def with_first_response_took(self):
        took = models.ExpressionWrapper(F("first_responded_at") - F("created_at"), output_field=models.DurationField())
        return self.annotate(took=took)

    def counts(self, user, at: datetime) -> dict[str, int]:
        """How many tickets stand in each view of the desk: active, mine, unassigned, late, waiting, all."""
        active = Q(status__in=["open", "waiting"])
        return self.aggregate(
            active=Count("pk", filter=active),
            mine=Count("pk", filter=active & Q(assignee=user)),
            unassigned=Count("pk", filter=active & Q(assignee=None)),
            late=Count("pk", filter=active & is_late(at)),
            waiting=Count("pk", filter=Q(status="waiting")),
            all=Count("pk"),
        )

    def figures(self, since: datetime, at: datetime) -> dict:
        """`{open, waiting, owed, late, opened, answered, median_first_response}`.

        The first four are of now; `opened` counts tickets since `since`, `answered` first answers since then, and the median is
        theirs (a timedelta, None without any).
        """
        answered = Q(first_responded_at__gte=since, first_responded_at__lte=at)
        return self.with_first_response_took().aggregate(
            open=Count("pk", filter=Q(status="open")),
            waiting=Count("pk", filter=Q(status="waiting")),
            owed=Count("pk", filter=Q(waiting_since__isnull=False)),
            late=Count("pk", filter=is_late(at)),
            opened=Count("pk", filter=Q(created_at__gte=since, created_at__lte=at)),
            answered=Count("pk", filter=answered),
            median_first_response=Median("took", filter=answered),
        )

    def first_response_buckets(self, since: datetime) -> list[tuple]:
        """Tickets opened since then by how long the first answer took: up to 5 minutes … longer, and no answer yet."""
        labels: list = []
        counts: list[Q] = []
        above = timedelta(0)
        for label, limit in BUCKETS:
            labels.append(label)
            # Nothing is answered before it is opened, save by a clock that was set back.
            counts.append(Q(took__lte=limit) if not counts else Q(took__gt=above, took__lte=limit))
            above = limit
        labels += [_("longer"), _("never")]
        counts += [Q(took__gt=above), Q(first_responded_at=None)]
        opened = self.filter(created_at__gte=since).with_first_response_took()
        found = opened.aggregate(**{f"bucket_{i}": Count("pk", filter=q) for i, q in enumerate(counts)})
        return [(label, found[f"bucket_{i}"]) for i, label in enumerate(labels)]
