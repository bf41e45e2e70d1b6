"""The codes of a person as their page groups them: those that still work, and what became of the others."""

from collections.abc import Iterable
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
    prefetch_related_objects,
)
from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer
from crm.stores.models import Store

from . import rests
from .models import Redemption

State = Redemption.State
A_PAGE = 20
LABELS = {
    "active": _("To use"),
    "used": _("Used"),
    "expired": _("Expired"),
    "returned": _("Handed back"),
}
_WORKS = Q(state__in=[State.PENDING, State.READY])


def of(store: Store, customers: Iterable[Customer] | QuerySet) -> QuerySet[Any]:
    """What these took, each with its `group`: of points, of store credit, and gift cards as one with what is left of them."""
    rests_that_work = Redemption.objects.filter(_WORKS, rest_of=OuterRef("pk"))
    group = Case(
        When(ended_at__isnull=False, then=Value("expired")),
        When(_WORKS | Exists(rests_that_work), then=Value("active")),
        When(state=State.EXPIRED, then=Value("expired")),
        When(state__in=[State.RETURNING, State.RETURNED, State.FAILED], then=Value("returned")),
        default=Value("used"),
        output_field=CharField(),
    )
    rows = Redemption.objects.for_store(store).filter(account__customer__in=customers, rest_of=None)
    return rows.annotate(group=group)


def counts(rows: QuerySet[Any]) -> dict[str, int]:
    """How many there are in each group, also in those without any."""
    found = dict(rows.order_by().values_list("group").annotate(Count("pk")))
    return {group: found.get(group, 0) for group in LABELS}


def page(rows: QuerySet[Any], before: int | None = None, size: int = A_PAGE) -> tuple[list[Redemption], int | None]:
    """The newest of these, or what is older than a row, and where the next page begins if there is one. As many queries for one as for all."""
    if before:
        rows = rows.filter(pk__lt=before)
    rows = rows.select_related("account", "gift__mail", "order", "returned")
    found = list(rows.order_by("-pk")[: size + 1])
    prefetch_related_objects([row for row in found if row.is_gift], *rests.FETCH)
    for row in found[:size]:
        row.standing = rests.standing(row) if row.is_gift else None
    return found[:size], found[size - 1].pk if len(found) > size else None
