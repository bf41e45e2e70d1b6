"""Holds: the only code that writes them. Rooms above place one when a problem begins and lift it when it is solved.

Whoever has an open problem gets no marketing and no cheerful news, and their points do not expire.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from crm.orders.models import Customer, Order
from crm.stores.models import Store, User

from .models import Hold

Kind = Hold.Kind


@dataclass(frozen=True)
class Problem:
    """A hold to be. `reason` names the problem within the store ("ticket:12"); `ends_at` is when it ends by itself at the latest."""

    customer_id: int
    reason: str
    placed_at: datetime
    ends_at: datetime | None = None


@transaction.atomic
def place(store: Store, kind: str, problems: Iterable[Problem]) -> None:
    """Hold these customers, in a constant number of statements. A problem that is open keeps its beginning and takes the new end.

    Of a guest who turned out to be a registered customer, that one: who tells of a problem may not have heard of it.
    """
    found = {problem.reason: problem for problem in problems}
    if not found:
        return
    joined = Customer.objects.filter(pk__in={problem.customer_id for problem in found.values()}).exclude(joined_to=None)
    persons = dict(joined.values_list("pk", "joined_to_id"))
    # In one order always, or two writers of the same holds could each wait for the other.
    rows = [
        Hold(
            store=store,
            customer_id=persons.get(found[reason].customer_id, found[reason].customer_id),
            kind=kind,
            reason=reason,
            placed_at=found[reason].placed_at,
            ends_at=found[reason].ends_at,
        )
        for reason in sorted(found)
    ]
    Hold.objects.bulk_create(rows, ignore_conflicts=True)
    moved = []
    for hold in _open(store, found).order_by("reason").select_for_update():
        if hold.ends_at != found[hold.reason].ends_at:
            hold.ends_at = found[hold.reason].ends_at
            moved.append(hold)
    if moved:
        Hold.objects.bulk_update(moved, ["ends_at"])


def lift(store: Store, reasons: Iterable[str], at: datetime, by: User | None = None) -> int:
    """These problems are solved; returns how many were open."""
    # Never before it was placed: the clocks of a carrier and of this machine differ.
    return _open(store, reasons).update(lifted_at=Greatest("placed_at", Value(at)), lifted_by=by)


def dismissed(store: Store, reasons: Iterable[str]) -> set[str]:
    """Those problems of which staff have said that they are none any more: what looks by the clock leaves them alone."""
    rows = Hold.objects.for_store(store).filter(reason__in=list(reasons)).exclude(lifted_by=None)
    return set(rows.values_list("reason", flat=True))


def move(store: Store, guest_id: int, customer_id: int) -> None:
    """A guest turned out to be a registered customer."""
    Hold.objects.for_store(store).filter(customer_id=guest_id).update(customer_id=customer_id)


def is_held(store_id: int, customer_id: int | None, email: str, at: datetime) -> bool:
    """Whether this customer, or anybody of this address in the store, has an open problem."""
    whose = Q(customer_id=customer_id) if customer_id else Q()
    if email:
        whose |= Q(customer__email=email)
    return bool(whose) and Hold.objects.active(at).filter(whose, store=store_id).exists()


def open_of(store: Store, customer: Customer, at: datetime) -> list[Hold]:
    """The open problems of a customer, and of anybody of this address in the store; the oldest first."""
    whose = Q(customer=customer.person_id)
    if customer.email:
        whose |= Q(customer__email=customer.email)
    return list(Hold.objects.for_store(store).active(at).filter(whose).order_by("placed_at", "pk"))


def held(store: Store, at: datetime) -> QuerySet:
    """Primary keys of the customers with an open problem, and of anybody of their addresses in the store: whom the gate sends nothing."""
    open_holds = Hold.objects.for_store(store).active(at).order_by()
    addresses = open_holds.exclude(customer__email="").values("customer__email")
    whose = Q(pk__in=open_holds.values("customer_id")) | Q(email__in=addresses)
    return Customer.objects.for_store(store).filter(whose).order_by().values("pk")


def recently_held(store: Store, since: datetime, at: datetime) -> dict[int, datetime | None]:
    """Customers (primary keys) who are held at `at` (None), or whose last hold ended after `since` (when it did).

    A hold is everybody's of its customer's address in the store, as in `held`.
    """
    holds = Hold.objects.for_store(store).filter(placed_at__lte=at).with_end()
    rows = (
        holds.filter(Q(ended_at=None) | Q(ended_at__gt=since))
        .values("customer_id", "customer__email")
        .annotate(last=Max("ended_at"), endless=Count("pk", filter=Q(ended_at=None) | Q(ended_at__gt=at)))
    )
    # By address; of customers without one, each for themselves.
    ends: dict[str | int, list[datetime | None]] = defaultdict(list)
    for row in rows:
        ends[row["customer__email"] or row["customer_id"]].append(None if row["endless"] else row["last"])
    last = {who: None if None in found else max(filter(None, found)) for who, found in ends.items()}
    alone = {who: end for who, end in last.items() if isinstance(who, int)}
    people = Customer.objects.for_store(store).filter(email__in=last.keys() - alone.keys())
    return alone | {pk: last[email] for pk, email in people.values_list("pk", "email")}


def for_staff(store: Store, customer: Customer | None, order: Order | None) -> dict | None:
    """`{holds}`: the open problems of a customer, beside them on staff's pages."""
    if customer is None:
        return None
    found = Hold.objects.for_store(store).active(timezone.now()).filter(customer=customer.person_id)
    return {"holds": holds} if (holds := list(found.order_by("placed_at")[:10])) else None


def _open(store, reasons):
    return Hold.objects.for_store(store).filter(reason__in=list(reasons), lifted_at=None)
