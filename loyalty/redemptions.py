"""What becomes of rewards that were taken: with `redeeming`, `spending` and `rests`, the only code that writes Redemption rows.

The shop makes the coupon or refuses it, an order is paid with it, its day passes, it is handed back. Points come back when the shop can
give nothing for them any more, and never before it is known that nobody uses the code.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, prefetch_related_objects
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.orders.models import Coupon, Order
from crm.stores.models import Store
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.woocommerce.pushes.coupons import EXISTS

from . import code_mails, codes, credit, gifts, ledger, rests, undone
from .accounts import lock_all
from .models import Account, Redemption, Reward

State = Redemption.State
# A code that a stranger's coupon has already is a matter of a restored shop; twice in a row it is something else.
CODES = 3


class CannotHandBack(Exception):
    """The message tells the customer why; nothing was changed."""


@transaction.atomic
def hand_back(store: Store, redemption_id: int, at: datetime) -> Redemption:
    """Ask the shop to delete the coupon unused; the points come back once it has, those of store credit at once.

    Raises CannotHandBack, and LookupError.
    """
    asked = Redemption.objects.for_store(store).filter(pk=redemption_id)
    # Store credit is on another account of theirs.
    lock_all(store, asked.values_list("account__customer", flat=True))
    redemption = next(iter(_held(asked)), None)
    if redemption is None:
        raise LookupError(f"no redemption {redemption_id}")
    if redemption.state in (State.RETURNING, State.RETURNED):
        return redemption
    if redemption.gives_credit and redemption.state == State.GIVEN:
        if not credit.take_back(redemption, at):
            raise CannotHandBack(_("Some of this credit has been spent, so it can't be handed back any more."))
        _give_back(redemption, State.RETURNED)
        return redemption
    if redemption.state != State.READY or not redemption.code or redemption.has_passed(at):
        raise CannotHandBack(_("This code can't be handed back any more."))
    if _orders_of(redemption).exists():
        raise CannotHandBack(_("There is an order with this code."))
    if rests.is_split(redemption):
        raise CannotHandBack(_("A part of this gift card has been spent, so it can't be handed back any more."))
    if redemption.is_gift and not gifts.withdraw(redemption.gift):
        raise CannotHandBack(_("This gift has been sent, so it can't be handed back any more."))
    _ask_for_it(redemption, at)
    return redemption


def confirmed(row: Push) -> None:
    """The coupon is in the shop."""
    redemption = _of(row)
    if redemption is None:
        return
    if redemption.code != row.payload["code"] or redemption.returned_id and redemption.state != State.USED:
        # Staff had it tried again after the points were back: one of both is enough.
        codes.take_back(redemption, row.payload["code"])
    elif redemption.rest_of_id:
        # Also one that the shop had refused: staff saw to it, and had it tried again.
        if redemption.state in (State.PENDING, State.FAILED):
            _move(redemption, State.READY)
            rests.settle([redemption], timezone.now())
            redemption.refresh_from_db(fields=["state"])
            # Orders may have moved on while it was made.
            if redemption.state == State.READY:
                gifts.send_rest(redemption, code_mails.owner(redemption))
        elif redemption.state == State.REPLACED:
            codes.take_back(redemption, redemption.code)
    elif redemption.state == State.PENDING:
        _move(redemption, State.READY)
        if redemption.is_gift:
            gifts.send(redemption, code_mails.owner(redemption))
        else:
            code_mails.tell(redemption, code_mails.READY_MAIL)


def refused(row: Push) -> None:
    """There will be no coupon: the points go back to their lots."""
    redemption = _of(row)
    if redemption is None or redemption.state != State.PENDING or redemption.code != row.payload["code"]:
        return
    attempt = codes.attempt_of(row)
    if row.sent_at is None and (row.answer or {}).get("code") == EXISTS and attempt < CODES:
        redemption.code = codes.new_code(redemption.store)
        redemption.save(update_fields=["code"])
        codes.owe(redemption, code_mails.owner(redemption), timezone.now(), attempt + 1)
        return
    redemption.error = row.error
    if redemption.rest_of_id:
        # It stays owed. Staff see the refusal, and have it tried again.
        _move(redemption, State.FAILED, "error")
        rests.settle([redemption], timezone.now())
    else:
        _give_back(redemption, State.FAILED)
        code_mails.tell(redemption, code_mails.FAILED_MAIL)
    if row.sent_at is not None:
        codes.take_back(redemption, redemption.code)


def withdrawing(row: Push) -> None:
    """What is left of a gift card is owed. Raises StillOwed."""
    redemption = _of(row)
    if redemption and redemption.rest_of_id and redemption.state in (State.PENDING, State.FAILED):
        raise push.StillOwed(
            _("This code is what is left of a gift card, which is owed. Have it tried again instead of withdrawing it.")
        )


def removed(row: Push) -> None:
    """The coupon is gone unused: the points go back to their lots, unless it had its time."""
    redemption = _of(row)
    if redemption is None or redemption.code != row.payload["code"]:
        return
    if codes.is_clearing(row) and not redemption.terms.get("returns_expired"):
        return
    if rests.is_split(redemption):
        _replace(redemption)
    elif redemption.state in (State.READY, State.EXPIRED, State.RETURNING):
        _give_back(redemption, State.RETURNED, _why(redemption))


def not_removed(row: Push) -> None:
    """The coupon stays: it was used, or the shop could not be asked."""
    if codes.is_clearing(row):
        return
    redemption = _of(row)
    if redemption is None or redemption.state != State.RETURNING:
        return
    if (row.answer or {}).get("usage_count"):
        _was_used(redemption)
    elif redemption.returned_id:
        # Some of it is back already: until the shop can be asked, the code must not count as one that is worth all of it.
        codes.take_back(redemption, redemption.code)
    else:
        _move(redemption, _unused(redemption))
    rests.settle([redemption], timezone.now())


@transaction.atomic
def follow(store: Store, order_ids: Iterable[int]) -> None:
    """Whatever happened to these orders, what became of the codes they were made with follows from what they are now."""
    order_ids = set(order_ids)
    orders = Order.objects.for_store(store).filter(pk__in=order_ids).exclude(coupon_codes=[]).order_by("pk")
    named = {code.upper() for of_one in orders.values_list("coupon_codes", flat=True) for code in of_one}
    rows = _held(Redemption.objects.for_store(store).filter(Q(code__in=named) | Q(order__in=order_ids)))
    # Read with the accounts held: what was read before may be older than what somebody else has followed meanwhile.
    fields = [
        "store_id", "status", "is_paid", "deleted_at", "coupon_codes", "coupon_lines", "prices_include_tax", "currency",
        "total", "total_tax", "shipping_total", "shipping_tax", "fee_lines",
    ]  # fmt: skip
    by_code = defaultdict(list)
    for order in orders.only(*fields) if rows else []:
        for code in order.coupon_codes:
            by_code[code.upper()].append(order)
    prefetch_related_objects([order for row in rows for order in by_code[row.code]], *undone.FETCH)
    for redemption in rows:
        redemption.store = store
        # Of more orders than one, that which has the code; else one that uses it, before those that came to nothing.
        known = sorted(by_code[redemption.code], key=lambda one: (one.pk != redemption.order_id, _is_freed(one)))
        if redemption.order_id in order_ids and (not known or known[0].pk != redemption.order_id):
            # Taken out of the order, which is as if it had never been in.
            _free(redemption)
        order = known[0] if known else None
        if order is None or redemption.order_id not in (None, order.pk):
            continue
        if _is_freed(order):
            _free(redemption)
        elif order.is_paid or order.status == codes.REFUNDED:
            _use(redemption, order)
    rests.settle(rows, timezone.now())


def deleted(store: Store, facts: Iterable[tuple[str, int]]) -> None:
    """The shop deleted coupons: (code, how often it was used). Nobody loses points for a code that does nothing any more."""
    used = {code.upper(): count for code, count in facts}
    with transaction.atomic():
        for redemption in _held(Redemption.objects.for_store(store).filter(code__in=used)):
            redemption.store = store
            # What comes back after its last day may not be back yet, because the shop was away on that day.
            is_owed = redemption.state == State.EXPIRED and redemption.terms.get("returns_expired")
            if redemption.state in (State.READY, State.RETURNING) or (is_owed and not rests.is_split(redemption)):
                # The count may be of a moment before the order, or before that came to nothing.
                freed = Order.objects.for_store(store).with_coupon(redemption.code).filter(codes.FREED)
                if _orders_of(redemption).exists() or (used[redemption.code] and not freed.exists()):
                    _was_used(redemption)
                elif rests.is_split(redemption):
                    _replace(redemption)
                else:
                    why = "deleted" if redemption.state == State.READY else _why(redemption)
                    _give_back(redemption, State.RETURNED, why)


def expire(store: Store, at: datetime) -> int:
    """Note the codes whose day has passed, and ask for those whose points come back then; returns how many."""
    due = Redemption.objects.for_store(store).filter(state=State.READY, expires_at__lt=at)
    with transaction.atomic():
        whole = due.filter(~Exists(rests.others(OuterRef("pk"))), rest_of=None, ended_at=None)
        back = _held(whole.filter(terms__returns_expired=True).exclude(code=""))
        for redemption in back:
            redemption.store = store
            _ask_for_it(redemption, at)
    return len(back) + due.update(state=State.EXPIRED)


def _use(redemption, order):
    # What the shop had refused of a gift card was made after all, if an order has it.
    is_out = redemption.state == State.FAILED and not redemption.rest_of_id or redemption.state == State.RETURNED
    if redemption.order_id is None and not is_out:
        redemption.order = order
        _move(redemption, State.USED, "order", "lost")
    # What was spent of a gift card comes back to whoever has it: `rests`.
    if redemption.state == State.USED and redemption.order_id == order.pk and not redemption.is_gift:
        _settle(redemption, order)


def _was_used(redemption):
    """So the shop says; the order may be here already."""
    _move(redemption, State.USED)
    follow(redemption.store, _orders_of(redemption).values_list("pk", flat=True))


def _settle(redemption, order):
    """The order keeps what it used, less what of that was taken off goods that are refunded."""
    whole = codes.used_of(redemption, order) if redemption.is_credit else redemption.points
    comes_back = redemption.is_credit or redemption.terms.get("returns_refunded")
    used = whole - undone.part(whole, order) if comes_back else whole
    if used == redemption.points and redemption.returned_id is None:
        return
    back = _back(redemption, used)
    redemption.save(update_fields=["returned"])
    if back > 0:
        why = "rest" if used == whole else "part" if used else "refunded"
        code_mails.tell(redemption, code_mails.RETURNED_MAIL, back, why=why)


def came_back(redemption: Redemption) -> int:
    """How many of the points, or of a currency's smallest unit, are back of what was spent for it."""
    if redemption.returned_id is None or redemption.entry is None:
        return 0
    return redemption.points - ledger.spent(redemption.entry, codes.cause(redemption))


def _back(redemption, used) -> int:
    """Let the account have what is not used, and answer how much of it is new; what comes back is named in `returned`."""
    settled = ledger.settle(redemption.entry, used, codes.cause(redemption), rule=redemption.entry.rule)
    if settled.entry and settled.spent >= redemption.points:
        # Undone altogether, the code is as before; what could not be taken again is still back.
        redemption.returned = None
    elif settled.back > 0:
        redemption.returned = settled.entry
    return settled.back


def _free(redemption):
    """The order came to nothing, and to the shop the code is as good as new."""
    if redemption.order_id is None and not _is_free_again(redemption):
        return
    redemption.order = None
    has_passed = redemption.has_passed(timezone.now())
    # Nobody was told of the one while the other had the code.
    other = _orders_of(redemption).filter(Q(is_paid=True) | Q(status=codes.REFUNDED)).first()
    if other or not has_passed:
        redemption.lost = None
    if other:
        return _use(redemption, other)
    if redemption.returned_id and has_passed and not redemption.terms.get("returns_expired"):
        # It works no more, and what was not back by then had its time.
        _move(redemption, State.USED, "order")
    elif redemption.returned_id:
        # Some of it is back, and to the shop the code is worth all of it again: the rest comes back once it is gone.
        redemption.save(update_fields=["order"])
        _ask_for_it(redemption, timezone.now())
    elif redemption.is_gift and rests.comes_back(redemption) and (has_passed or _is_deleted(redemption)):
        # It works no more, and the giver's points are not what its recipient has spent.
        _move(redemption, State.REPLACED, "order", "lost")
    elif _is_deleted(redemption) and not codes.was_cleared(redemption):
        redemption.save(update_fields=["order"])
        _give_back(redemption, State.RETURNED, "deleted")
    else:
        _move(redemption, _unused(redemption), "order", "lost")


def _orders_of(redemption) -> QuerySet[Order]:
    """With the code, and not come to nothing."""
    return Order.objects.for_store(redemption.store).with_coupon(redemption.code).exclude(codes.FREED)


def _is_free_again(redemption) -> bool:
    """Of a code that the shop said was used, by an order that was never paid: to the shop it can be used again."""
    return redemption.state == State.USED and not _orders_of(redemption).exists()


def _is_deleted(redemption) -> bool:
    coupons = Coupon.objects.for_store(redemption.store).filter(code__iexact=redemption.code)
    return coupons.filter(deleted_at__isnull=False).exists()


def _replace(redemption):
    """A code of a gift card is gone unused while others of the card are or were used: no points come back, but another code comes if one is owed."""
    if redemption.state not in (State.READY, State.RETURNING):
        return
    if _orders_of(redemption).exists():
        _was_used(redemption)
    else:
        _move(redemption, State.REPLACED)
        rests.settle([redemption], timezone.now())


def _is_freed(order) -> bool:
    return order.deleted_at is not None or order.status in codes.FREES


def _unused(redemption):
    return State.EXPIRED if redemption.has_passed(timezone.now()) else State.READY


def _why(redemption) -> str:
    """Why the shop was asked to delete the code: of one that had given a part back, nobody but its order that came to nothing."""
    if redemption.returned_id:
        return "cancelled"
    return "expired" if redemption.has_passed(timezone.now()) else "handed back"


def _ask_for_it(redemption, at):
    _move(redemption, State.RETURNING)
    codes.take_back(redemption, redemption.code, at)


def _move(redemption, state, *also):
    redemption.state = state
    redemption.save(update_fields=["state", *also])


def _give_back(redemption, state, why=""):
    """Points to their lots, and one more in stock, as the shop has given nothing for it; told, if there is a `why`."""
    back = _back(redemption, 0)
    _move(redemption, state, "returned", "error")
    if redemption.reward_id:
        Reward.objects.filter(pk=redemption.reward_id, stock__isnull=False).update(stock=F("stock") + 1)
    if back and why:
        code_mails.tell(redemption, code_mails.RETURNED_MAIL, back, why=why)


def _of(row: Push) -> Redemption | None:
    """The redemption that a push is of, held; None for other coupons."""
    reason, pk, *_rest = f"{row.key}:".split(":")
    if reason != "redemption" or not pk.isdigit():
        return None
    redemption = next(iter(_held(Redemption.objects.filter(store=row.store_id, pk=pk))), None)
    if redemption is not None:
        redemption.store = row.store
    return redemption


def _held(rows: QuerySet) -> list[Redemption]:
    """These rows, held. Their accounts are held first and in the order of their keys, as everywhere, so that nobody waits in a circle."""
    accounts = Account.objects.filter(pk__in=rows.values("account")).order_by("pk")
    if not list(accounts.select_for_update(no_key=True).values_list("pk", flat=True)):
        return []
    rows = rows.select_related("account__customer__joined_to", "entry", "returned", "rest_of").order_by("pk")
    return list(rows.select_for_update(no_key=True, of=["self"]))
