"""Accounts that staff check: while one is frozen, nothing is bought with its points or credit. The only code that writes Freeze rows.

Points are earned and taken back as ever, codes that were taken before go on working, and nothing expires: a hold tells the other rooms.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from crm.events import recording
from crm.messaging import holds
from crm.orders.models import Customer
from crm.stores import formats
from crm.stores.models import Store, User

from .accounts import lock_all
from .models import Freeze


def of(store: Store, customer: Customer) -> Freeze | None:
    """The one that holds now."""
    found = Freeze.objects.for_store(store).of(customer.person_id).current()
    return found.order_by("pk").first()


def words(freeze: Freeze, zone: str) -> str:
    """What it means to the customer, whose points are not in doubt by it."""
    return _(
        "The shop has been checking your account since %(day)s. Your points stay yours, none of them expire, and you go on earning; rewards"
        " can be taken again as soon as the shop is done."
    ) % {"day": formats.day(freeze.placed_at, zone)}


def shown(store: Store, customer: Customer) -> dict | None:
    """`{words, note}` for the customer's pages."""
    freeze = of(store, customer)
    return {"words": words(freeze, store.timezone), "note": freeze.note} if freeze else None


@transaction.atomic
def place(store: Store, customer: Customer, reason: str, note: str, by: User, at: datetime) -> tuple[Freeze, bool]:
    """Freeze a customer's accounts from now on; returns the row and whether it is new. Records `account.frozen`."""
    customer = customer.person
    # Whoever takes a reward at this moment is done before, or finds it frozen.
    lock_all(store, [customer.pk])
    if row := of(store, customer):
        return row, False
    row = Freeze.objects.create(
        store=store, customer=customer, reason=reason, note=note, placed_by=by, placed_at=at
    )  # fmt: skip
    holds.place(store, holds.Kind.REVIEW, [holds.Problem(customer.pk, _hold_of(row), at)])
    recording.record("account.frozen", store, row.pk, customer=customer, occurred_at=at)
    return row, True


@transaction.atomic
def lift(store: Store, customer: Customer, by: User, at: datetime) -> int:
    """End what holds a customer's accounts; returns how many rows that were. Records `account.unfrozen`."""
    customer = customer.person
    lock_all(store, [customer.pk])
    rows = list(Freeze.objects.for_store(store).of(customer.pk).current().order_by("pk"))
    for row in rows:
        row.lifted_at, row.lifted_by = max(at, row.placed_at), by
        row.save(update_fields=["lifted_at", "lifted_by"])
        recording.record("account.unfrozen", store, row.pk, customer=customer, occurred_at=at)
    holds.lift(store, [_hold_of(row) for row in rows], at, by)
    return len(rows)


def _hold_of(row) -> str:
    return f"freeze:{row.pk}"
