"""What an order leaves of a gift card is another code. The shop spends a coupon whole, so the rest has to become a coupon of its own.

It is not asked what happened. What a card's codes have taken off and may still take off is added up; what is missing to what the card was
given for becomes a code, and what is too much is taken back from codes that nobody has used.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import DecimalField, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.events import recording
from crm.stores.models import ApiKey, Store, User

from . import codes, gifts, undone, units
from .credit import Money
from .models import Account, Redemption, Reward
from .returning import GRACE

State = Redemption.State
# Of the currency's smallest unit: less than this is what a shop's rounding may leave of a card that was spent.
LEAST = 2
# Of cards of which `standing` is asked.
FETCH = ("rests__order", *undone.of("order"), *undone.of("rests__order"))


class CannotEnd(Exception):
    """The message tells staff why; nothing was changed."""


@dataclass(frozen=True)
class Standing:
    """A gift card as it stands: money in its currency, and the codes that can be used or are on their way."""

    spent: Decimal
    left: Decimal
    codes: list[Redemption]
    is_split: bool
    # The shop is asked to delete one of the codes; another one comes then.
    is_changing: bool
    is_spent: bool


def is_split(redemption: Redemption) -> bool:
    """Whether a gift card has become more than one code, and is not whole again, or was ended: no points come back for it."""
    if redemption.rest_of_id is not None or redemption.ended_at:
        return True
    return redemption.is_gift and others(redemption.pk).exists()


def others(card: int | OuterRef) -> QuerySet[Redemption]:
    """The rests of a card that stand for something, or did."""
    return Redemption.objects.filter(rest_of=card).exclude(state=State.REPLACED)


def comes_back(redemption: Redemption) -> bool:
    """Whether a code of a gift card that is gone can become another one: not in another currency, unless no points can come back either."""
    return redemption.store.currency == redemption.terms["currency"] or is_split(redemption)


@transaction.atomic
def end(store: Store, card_id: int, reason: str, by: User | ApiKey, at: datetime) -> Redemption:
    """Let no code of a gift card be good any more, now or later, and let no points come back for it. Records `gift_card.ended`, once.

    Raises CannotEnd, and LookupError.
    """
    cards = Redemption.objects.for_store(store).filter(pk=card_id, rest_of=None, terms__kind=Reward.Kind.GIFT_CARD)
    accounts = Account.objects.filter(pk__in=cards.values("account")).select_for_update(no_key=True)
    card = cards.select_for_update(no_key=True).first() if list(accounts) else None
    if card is None:
        raise LookupError(f"no gift card {card_id}")
    if card.returned_id or card.state in (State.PENDING, State.FAILED, State.RETURNED):
        raise CannotEnd(_("The shop has no code of this gift card, or not yet."))
    if card.ended_at is None:
        card.ended_at = at
        card.save(update_fields=["ended_at"])
        customer, said = card.account.customer, {"reason": reason, "by": str(by)}
        recording.record("gift_card.ended", store, card.pk, customer=customer, data=said, occurred_at=at)
        gifts.withdraw(card.gift)
        _settle(card.pk, at)
    return card


def settle(rows: Iterable[Redemption], at: datetime) -> None:
    """Let the codes of the gift cards among these be worth what the cards were given for. Their accounts are held by the caller."""
    for card in sorted({row.rest_of_id or row.pk for row in rows if row.is_gift}):
        _settle(card, at)


def standing(card: Redemption, at: datetime | None = None) -> Standing:
    """What was spent and what is left. No query if `FETCH` was fetched before."""
    at = at or timezone.now()
    family = [card, *sorted(card.rests.all(), key=lambda rest: rest.pk)]
    spent = sum(_spent(row) for row in family if row.state == State.USED)
    usable = [row for row in family if _is_usable(row, at)]
    whole, currency = codes.worth(card), card.terms["currency"]
    left = min(sum(map(codes.worth, usable)), max(whole - spent, 0))
    return Standing(
        units.money(spent, currency), units.money(left, currency), usable, is_split=any(row.state != State.REPLACED for row in family[1:]),
        is_changing=any(row.state == State.RETURNING for row in family), is_spent=whole - spent < LEAST,
    )  # fmt: skip


def outstanding(store: Store, at: datetime) -> list[Money]:
    """What gift cards can still be used for, in each currency. One statement."""
    # Of more codes than one, what is being taken back stands for nothing: others have what it is worth.
    taken_back = Q(state=State.RETURNING) & Q(Q(rest_of__isnull=False) | Exists(others(OuterRef("pk"))))
    gone = Q(state__in=[State.USED, State.RETURNED, State.EXPIRED, State.REPLACED]) | Q(
        state=State.FAILED, rest_of=None
    )
    cards = Redemption.objects.for_store(store).filter(terms__kind=Reward.Kind.GIFT_CARD).exclude(gone | taken_back)
    amount = Cast(KeyTextTransform("amount", "terms"), DecimalField(max_digits=30, decimal_places=4))
    sums = (
        cards.exclude(expires_at__lt=at)
        .values_list("terms__currency")
        .annotate(total=Sum(amount))
        .order_by("terms__currency")
    )
    return [Money(total.quantize(units.money(1, currency)), currency) for currency, total in sums]


def _is_usable(row: Redemption, at: datetime) -> bool:
    is_coming = row.state == State.PENDING or row.state == State.FAILED and row.rest_of_id is not None
    return is_coming or row.state == State.READY and not row.has_passed(at)


def _settle(card_id: int, at: datetime) -> None:
    rows = Redemption.objects.filter(Q(pk=card_id) | Q(rest_of=card_id)).select_related("order", "store")
    rows = rows.prefetch_related(*undone.of("order"))
    family = list(rows.select_for_update(no_key=True, of=["self"]).order_by("pk"))
    card = family[0]
    is_the_givers = card.returned_id or card.state in (State.PENDING, State.FAILED, State.RETURNED)
    if card.ended_at:
        return _take_all_back(family, at)
    if is_the_givers or card.store.currency != card.terms["currency"]:
        return
    for row in family:
        _decide(row, at)
    left = codes.worth(card) - sum(map(_costs, family))
    newest_first = family[::-1]
    for row in newest_first:
        if left < 0 and row.state == State.FAILED:
            _move(row, State.REPLACED)
            left += codes.worth(row)
    if left >= LEAST:
        _make(card, left, len(family), at)
    # What is being taken back already is about to cost nothing; and whether there will be what is on its way is not known before the shop has said it.
    left += sum(codes.worth(row) for row in family if row.state in (State.RETURNING, State.PENDING))
    for row in newest_first:
        if left < 0 and row.state == State.READY:
            _take_back(row, at)
            left += codes.worth(row)


def _take_all_back(family: list[Redemption], at: datetime) -> None:
    for row in family:
        if row.state == State.READY:
            _take_back(row, at)
        elif row.state == State.FAILED:
            _move(row, State.REPLACED)


def _take_back(row: Redemption, at: datetime) -> None:
    _move(row, State.RETURNING)
    codes.take_back(row, row.code, at)


def _decide(row: Redemption, at: datetime) -> None:
    """Once the order is known, whether what it leaves of the code comes back. Said once, because the last day passes later."""
    if row.state != State.USED or row.order is None:
        return
    if not row.has_passed(at) and (row.terms.get("keeps_rest") or _is_back(row)):
        lost = 0
    else:
        lost = codes.worth(row) - codes.used_of(row, row.order) if row.lost is None else row.lost
    if lost != row.lost:
        row.lost = lost
        row.save(update_fields=["lost"])


def _costs(row: Redemption) -> int:
    """What the code has taken off, or may yet, and what of it is lost; one that expired had its time. In the currency's smallest unit."""
    if row.state == State.REPLACED:
        return row.lost or 0
    return min(_spent(row) + (row.lost or 0), codes.worth(row))


def _spent(row: Redemption) -> int:
    if row.state != State.USED or row.order is None:
        return codes.worth(row)
    used = codes.used_of(row, row.order)
    return used - undone.part(used, row.order) if row.terms.get("returns_refunded") else used


def _is_back(row: Redemption) -> bool:
    return row.order is not None and row.order.status == codes.REFUNDED and bool(row.terms.get("returns_refunded"))


def _move(row: Redemption, state: str) -> None:
    row.state = state
    row.save(update_fields=["state"])


def _make(card: Redemption, left: int, number: int, at: datetime) -> None:
    """Owe the shop another code, on the card's conditions and until its last day; what comes back after that can be used for 30 days more."""
    store, expires_at, also = card.store, card.expires_at, {}
    if card.has_passed(at):
        expires_at = codes.last_moment(GRACE.days, store, at)
        also["keeps_rest"] = False
    amount = f"{units.money(left, card.terms['currency']):f}"
    rest = Redemption.objects.create(
        store=store, account_id=card.account_id, rest_of=card, key=uuid.uuid5(card.key, str(number)),
        terms=card.terms | {"amount": amount, "points": 0, "returns_expired": False} | also, code=codes.new_code(store), expires_at=expires_at, created_at=at,
    )  # fmt: skip
    codes.owe(rest, card.account.customer, at)
