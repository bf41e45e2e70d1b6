"""Staff and programs correct a balance: with a reason, at once up to a limit for each of them and day, beyond it with an owner's approval."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum
from django.db.models.functions import Abs
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crm.orders.models import Order
from crm.stores.models import ApiKey, User

from . import credit, joining, paid, units
from .models import Account, Adjustment, LedgerEntry, Program
from .posting import Kind, announce_corrections, post


class AlreadyDecided(Exception):
    """Somebody else was quicker; the message is for people."""


class NotYours(Exception):
    """Who asked for an adjustment, by hand or with a key of their own, can't approve it."""


class SentBefore(Exception):
    """The same form asked for something else before; the message is for people."""

    def __init__(self):
        super().__init__(_("This form was sent already, with other values. Open it anew."))


@transaction.atomic
def adjust(
    account: Account,
    points: int,
    reason: str,
    by: User | ApiKey,
    *,
    key: uuid.UUID | None = None,
    order: Order | None = None,
    waits: bool = False,
    at: datetime | None = None,
) -> Adjustment:
    """Add points to an account, or take them away with a minus. `key` names the attempt: the same one is answered alike.

    Beyond the programme's limit for a person (or a program's key) and day it waits (`entry` is None), and so it does with
    `waits`, for those who may only ask. `order` is whose money is given back. Raises InsufficientPoints, and SentBefore if the attempt asked for something else.
    """
    at, key = at or now(), key or uuid.uuid4()
    # Two of one person's adjustments at once must not both find room under the limit.
    person_id = by.issued_to_id if isinstance(by, ApiKey) else by.pk
    if person_id:
        User._base_manager.select_for_update(no_key=True).get(pk=person_id)
    else:
        ApiKey.objects.select_for_update(no_key=True).get(pk=by.pk)
    if asked := Adjustment.objects.filter(key=key).select_related("account").first():
        was = (asked.account_id, asked.points, asked.asked_by or asked.asked_by_key, asked.order_id)
        if was != (account.pk, points, by, order and order.pk):
            raise SentBefore
        return asked
    adjustment = Adjustment(
        store_id=account.store_id, account=account, points=points, reason=reason, key=key, asked_at=at, order=order,
        asked_by=by if isinstance(by, User) else None, asked_by_key=by if isinstance(by, ApiKey) else None,
    )  # fmt: skip
    if not waits and _within_limit(adjustment):
        adjustment.entry = _post(adjustment, at)
        adjustment.state = Adjustment.State.POSTED
    adjustment.save(force_insert=True)
    return adjustment


@transaction.atomic
def refund(
    order: Order,
    amount: Decimal,
    reason: str,
    by: User | ApiKey,
    *,
    key: uuid.UUID | None = None,
    waits: bool = False,
    at: datetime | None = None,
) -> Adjustment:
    """Give back so much of what was paid for an order as store credit; `adjust` has the rest. Raises CannotGiveBack and SentBefore."""
    order = paid.hold(order.pk)
    try:
        points = units.smallest(amount, order.currency)
    except ValueError as error:
        raise paid.CannotGiveBack(_("So little of it can't be paid.")) from error
    if key is None or not Adjustment.objects.filter(key=key).exists():
        paid.require(order, points)
    if order.customer is None:
        raise paid.CannotGiveBack(_("Nothing of this order can be given back as store credit."))
    account = credit.account_of(order.store, order.customer)
    return adjust(account, points, reason, by, key=key, order=order, waits=waits, at=at)


def _within_limit(adjustment: Adjustment) -> bool:
    limit = _limit(adjustment.account)
    if limit is None:
        return True
    person_id = adjustment.asking_person_id
    today = Adjustment.objects.filter(
        # By hand and by all keys that the person holds.
        Q(asked_by=person_id) | Q(asked_by_key__issued_to=person_id)
        if person_id
        else Q(asked_by_key=adjustment.asked_by_key),
        store=adjustment.store_id,
        account__unit=adjustment.account.unit,
        asked_at__gt=adjustment.asked_at - timedelta(days=1),
        state=Adjustment.State.POSTED,
        # What was approved is the second person's word.
        decided_by=None,
    ).aggregate(points=Sum(Abs("points")))["points"]
    return (today or 0) + abs(adjustment.points) <= limit


def _limit(account: Account) -> int | None:
    """For a person and day, in the account's unit."""
    program = Program.objects.filter(store=account.store_id).only("adjust_limit", "credit_limit").first()
    if program is None:
        return None
    if not account.is_credit:
        return program.adjust_limit
    return None if program.credit_limit is None else int(program.credit_limit / units.money(1, account.unit))


@transaction.atomic
def approve(adjustment: Adjustment, by: User, *, at: datetime | None = None) -> Adjustment:
    """Post an adjustment that waits. Raises NotYours, AlreadyDecided, InsufficientPoints, CannotGiveBack."""
    adjustment = _decide(adjustment, by, at or now())
    if adjustment.order_id:
        # The shop may have paid the money back meanwhile.
        adjustment.order = paid.hold(adjustment.order_id)
        paid.require(adjustment.order, adjustment.points, besides=adjustment)
    adjustment.entry = _post(adjustment, adjustment.decided_at)
    adjustment.state = Adjustment.State.POSTED
    adjustment.save(update_fields=["entry", "state", "decided_by", "decided_at"])
    return adjustment


@transaction.atomic
def refuse(adjustment: Adjustment, by: User, *, at: datetime | None = None) -> Adjustment:
    """Close an adjustment that waits without posting it. Who asked may withdraw it. Raises AlreadyDecided."""
    withdrawn = by.pk == adjustment.asking_person_id
    adjustment = _decide(adjustment, None if withdrawn else by, at or now())
    adjustment.state = Adjustment.State.REFUSED
    adjustment.save(update_fields=["state", "decided_by", "decided_at"])
    return adjustment


def _decide(adjustment, by, at):
    adjustment = (
        Adjustment.objects.select_for_update(of=["self"])
        .select_related("account__customer", "account__store", "asked_by", "asked_by_key")
        .get(pk=adjustment.pk)
    )
    if adjustment.state != Adjustment.State.WAITING:
        raise AlreadyDecided(adjustment.get_state_display())
    if by is not None and by.pk == adjustment.asking_person_id:
        raise NotYours
    adjustment.decided_by, adjustment.decided_at = by, at
    return adjustment


def _post(adjustment: Adjustment, at: datetime | None) -> LedgerEntry:
    program = adjustment.asked_by_key
    account = adjustment.account
    rule = {"api_key": program.prefix} if program else {}
    if adjustment.order is not None:
        rule |= {"order": adjustment.order.number}
        paid.note(adjustment, adjustment.order)
    entry = post(
        account, Kind.ADJUST, adjustment.points, f"{'api' if program else 'staff'}:{adjustment.key}",
        note=adjustment.reason, by=adjustment.asked_by, rule=rule | ({"unit": account.unit} if account.is_credit else {}), at=at,
    )  # fmt: skip
    if not account.is_credit:
        announce_corrections([entry])
    elif entry.points > 0:
        credit.tell(entry)
    if account.customer.joined_to_id:
        # Asked for before the guest became a customer: it follows what else the guest had.
        joining.join(account.store, [account.customer_id])
    return entry
