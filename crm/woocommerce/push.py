"""Write into a shop, once for each reason, and compare what it made of it with what was asked.

A write is a row first (`queue`). It is sent outside any transaction. A request that was sent and never answered may have worked: the
next attempt looks for what it would have made before it sends anything again. The kinds of writes are in `pushes/`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from crm.orders.models import Customer, Order
from crm.stores.models import Store
from crm.work import drain
from crm.work.wake import wake

from . import identity, rereads
from .client import Client
from .errors import WooCommerceError
from .models import Push, ShopIdentity
from .models.pushes import LONGEST_KEY
from .pushes.payloads import BadPayload, Payload
from .saving.items import encode

Outcome = Push.Outcome
# So long a shop that has proven to be the right one is taken for it.
SURE_FOR = timedelta(minutes=5)


class Differs(Exception):
    """The shop made something else of it than was asked for; the text says what."""


class Refused(Exception):
    """This write can't be; the text tells people why."""


class Needless(Exception):
    """As things stand in the shop, this write is not wanted any more: it ends, and nobody need look at it."""


class StillOwed(Exception):
    """This write must not be withdrawn; the text tells people why, and what to do."""


class StillAtWork(Exception):
    """The shop does not have it, and may yet make it of a request that left earlier."""

    def __init__(self, until: datetime):
        self.until = until


class Kind:
    """One kind of write. Methods speak with the shop through the client and raise WooCommerceError."""

    label: str | Promise
    payload: type[Payload]
    # What to read again once it is written, so that the mirror need not wait for a webhook.
    resource = ""
    # Where the shop itself does not see to it that the same twice is once: how long a request whose answer never came is mostly still at work
    # there, so that looking means nothing before; and how long it may be in the worst case, so that it is not sent again before.
    AT_WORK = timedelta(0)
    HANGS = timedelta(0)

    def check(self, push: Push) -> None:
        """Whether it may be owed beside what else is; asked in the transaction that has made the row. Raises BadPayload."""

    def look(self, client: Client, push: Push) -> dict | None:
        """What an earlier attempt has made in the shop, if it has."""
        raise NotImplementedError

    def send(self, client: Client, push: Push) -> dict:
        """Make it; returns the shop's answer. Raises Refused where there is no use in asking, and Needless where it is not wanted any more."""
        raise NotImplementedError

    def confirm(self, push: Push, answer: dict) -> None:
        """Compare the answer with what was asked. Raises Differs."""
        raise NotImplementedError

    def undo(self, client: Client, push: Push, answer: dict) -> bool:
        """Take back what differs; returns whether nothing of it is left. Done where it would do harm, and must bear being done twice."""
        return False

    def kept(self, push: Push, answer: dict) -> dict:
        """What of the answer is worth keeping."""
        return answer

    def number_to_reread(self, push: Push) -> int | None:
        return push.payload.get("order") or push.woo_id


KINDS: dict[str, Kind] = {}
Hearer = Callable[[Push], None]
_CONFIRMED: dict[str, list[Hearer]] = defaultdict(list)
_REFUSED: dict[str, list[Hearer]] = defaultdict(list)
_WITHDRAWING: dict[str, list[Hearer]] = defaultdict(list)


def register(name: str, kind: Kind) -> None:
    KINDS[name] = kind


def on_confirmed(kind: str, function: Hearer) -> None:
    """Have `function(push)` called once a push of this kind is confirmed, in one transaction with that."""
    if function not in _CONFIRMED[kind]:
        _CONFIRMED[kind].append(function)


def on_refused(kind: str, function: Hearer) -> None:
    """Have `function(push)` called when a push of this kind is refused, given up or withdrawn, in one transaction with that.

    Where `push.sent_at` is empty, nothing of it stands in the shop. Where it is not, something does or may. Staff may have it
    tried again, which may end in a confirmation after all.
    """
    if function not in _REFUSED[kind]:
        _REFUSED[kind].append(function)


def on_withdrawing(kind: str, function: Hearer) -> None:
    """Have `function(push)` called before a push of this kind is withdrawn; it raises StillOwed where that can't be."""
    if function not in _WITHDRAWING[kind]:
        _WITHDRAWING[kind].append(function)


@transaction.atomic
def queue(
    store: Store,
    kind: str,
    key: str,
    payload: dict,
    *,
    customer: Customer | None = None,
    order: Order | None = None,
    at: datetime | None = None,
) -> Push:
    """Owe the shop a write, in the caller's transaction. `key` names its reason: the same once more gives the row there is.

    `customer` and `order` say whom it is about, where the payload doesn't. Raises LookupError for an unknown kind and
    BadPayload (a ValueError) for what the shop would refuse or get wrong.
    """
    if kind not in KINDS:
        raise LookupError(f"No kind of push is named {kind}.")
    if push := Push.objects.filter(store=store, kind=kind, key=key).first():
        return push
    at = at or timezone.now()
    if not 0 < len(key) <= LONGEST_KEY:
        raise BadPayload({"key": [_("Between 1 and %(size)d characters.") % {"size": LONGEST_KEY}]})
    payload = KINDS[kind].payload.cleaned(store, payload, at)
    if order is None and "order" in payload:
        order = Order.objects.for_store(store).select_related("customer").filter(woo_id=payload["order"]).first()
    if customer is None and "customer" in payload:
        customer = Customer.objects.for_store(store).filter(woo_id=payload["customer"]).first()
    about = {"order": order, "customer": customer or (order.customer if order else None)}
    push, created = Push.objects.get_or_create(
        store=store, kind=kind, key=key, defaults={"payload": payload, "due_at": at, "created_at": at} | about
    )
    if created:
        KINDS[kind].check(push)
        wake(Push)
    return push


@transaction.atomic
def withdraw(push: Push, at: datetime) -> bool:
    """Owe it no more; returns whether that was possible. What may have left already is not withdrawn before its end is known.

    Raises StillOwed.
    """
    push = Push.objects.select_for_update().get(pk=push.pk)
    is_waiting = push.state == Push.State.DUE and push.sent_at is None
    if not is_waiting and push.state != Push.State.PARKED:
        return False
    _tell(_WITHDRAWING, push)
    push.state, push.outcome, push.settled_at, push.waits_for_shop = Push.State.DONE, Outcome.WITHDRAWN, at, False
    push.save(update_fields=["state", "outcome", "settled_at", "waits_for_shop"])
    if is_waiting:
        _tell(_REFUSED, push)
    return True


def mark(push: Push) -> str:
    """Names the push in the shop, the same for each attempt and for no other write."""
    return hashlib.sha256(f"{push.store.public_id}:{push.kind}:{push.key}".encode()).hexdigest()[:32]


def perform(pushes: list[Push], at: datetime) -> None:
    for push in pushes:
        kind = KINDS.get(push.kind)
        if kind is None:
            drain.fail(push, _("Nobody knows how to write this any more."), at, permanent=True)
        elif push.sent_at and at < push.sent_at + kind.AT_WORK:
            _wait_for_its_end(push, push.sent_at + kind.AT_WORK)
        else:
            _try(push, kind, at)


def _try(push, kind, at):
    try:
        _make(push, kind, at)
    except Needless:
        _drop(push, at)
    except Refused as error:
        _refuse(push, str(error), at)
    except StillAtWork as error:
        _wait_for_its_end(push, error.until)
    except WooCommerceError as error:
        if (held_up := _held_up(push, error)) is not None:
            _wait_together(push, error, at, held_up)
        elif error.permanent:
            _refuse(push, str(error), at)
        else:
            drain.fail(push, str(error), at)
            Push.objects.filter(pk=push.pk, waits_for_shop=True).update(waits_for_shop=False)
    else:
        _settle(push, kind, at)


def _make(push, kind, at):
    # It will be tried again anyway, by the push's own clock.
    with Client(push.store, patience=0) as client:
        _make_sure(push.store, client, at)
        found = kind.look(client, push) if push.sent_at else None
        if found is None and push.sent_at and at < push.sent_at + kind.HANGS:
            raise StillAtWork(push.sent_at + kind.HANGS)
        answer = _send(push, kind, client, at) if found is None else found
        push.answer, push.woo_id = orjson.loads(encode(kind.kept(push, answer))), _number(answer)
        try:
            kind.confirm(push, answer)
        except Differs as error:
            if not kind.undo(client, push, answer):
                raise Refused(str(error)) from error
            push.sent_at = None
            raise Refused(_("%(difference)s It was taken back.") % {"difference": error}) from error


def _make_sure(store, client, at):
    """Raises WrongShop: a copy of the shop must not be written into, nor be believed that something is not there."""
    known = ShopIdentity.objects.filter(store_id=store.pk).first()
    if known and known.checked_at < at - SURE_FOR:
        identity.verify(store, client, at)


def _send(push, kind, client, at):
    # Before the request leaves: from now on nobody knows whether it has worked until an answer is held.
    push.outcome, push.sent_at = Outcome.SENT, at
    claimed = Push.objects.filter(pk=push.pk, state=Push.State.RUNNING, attempts=push.attempts)
    if not claimed.update(outcome=push.outcome, sent_at=at):
        raise drain.LeaseLost
    try:
        answer = kind.send(client, push)
    except (Refused, Needless):
        push.sent_at = None
        raise
    except WooCommerceError as error:
        if _nothing_was_made(error):
            push.outcome, push.sent_at = Outcome.QUEUED, None
            claimed.update(outcome=push.outcome, sent_at=None)
        raise
    if not isinstance(answer, dict):
        raise WooCommerceError(_("The shop answered something that is no object."), permanent=False, status=200)
    return answer


def _settle(push, kind, at):
    with transaction.atomic():
        push.outcome, push.waits_for_shop = Outcome.CONFIRMED, False
        push.save(update_fields=["outcome", "waits_for_shop", "answer", "woo_id"])
        drain.settle([push], at)
        _tell(_CONFIRMED, push)
        if kind.resource and (number := kind.number_to_reread(push)):
            rereads.ask([(push.store_id, kind.resource, number)], at)


def _drop(push, at):
    with transaction.atomic():
        push.outcome, push.waits_for_shop = Outcome.WITHDRAWN, False
        push.save(update_fields=["outcome", "waits_for_shop", "answer", "sent_at"])
        drain.settle([push], at)
        _tell(_REFUSED, push)


def _refuse(push, text, at):
    push.outcome = Outcome.REFUSED
    drain.fail(push, text, at, permanent=True)


def tell_of_parked(pushes: list[Push]) -> None:
    """Called in the transaction that parks them: note how they ended, and tell those who care."""
    for push in pushes:
        if push.outcome != Outcome.REFUSED:
            push.outcome = Outcome.GIVEN_UP
        push.waits_for_shop = False
        push.save(update_fields=["outcome", "waits_for_shop", "answer", "woo_id", "sent_at"])
        _tell(_REFUSED, push)


def _tell(hearers, push):
    for function in hearers[push.kind]:
        function(push)


def _nothing_was_made(error) -> bool:
    """Whether somebody said no before the shop began, or nobody was there; a server in trouble, or one that only stopped waiting, may be further."""
    status = error.status or 0
    return error.never_arrived or 300 <= status < 500 and status != 408


def _held_up(push, error) -> QuerySet[Push] | None:
    """What else would fail like this: all that is for this shop, or only what is of this kind. None: this write alone is in trouble."""
    status, of_shop = error.status, Push.objects.filter(store=push.store_id)
    if status is None or status in (*range(502, 505), *range(520, 525)):
        # It may as well be this write that the shop chokes on, and that must hold up nobody else.
        return None if _answers(push.store) else of_shop
    if status in (401, 403, 404) and (status == 403 or error.is_of_shop):
        # The keys' owner may lack one right, a plug-in's part of the API may be switched off. If it is all of them, reading fails as well.
        return of_shop.filter(kind=push.kind) if _answers(push.store) else of_shop
    return of_shop if error.is_of_shop else None


def _answers(store) -> bool:
    try:
        with Client(store, patience=0) as client:
            client.get("orders", per_page=1, _fields="id")
    except WooCommerceError:
        return False
    return True


def _wait_together(push, error, at, held_up):
    """Whatever ails the shop, it need not be asked for every write that waits: they wait together, and one of them asks."""
    drain.fail(push, str(error), at)
    waiting = held_up.filter(state=Push.State.DUE)
    group = waiting.filter(waits_for_shop=True, due_at__gt=at).exclude(pk=push.pk).order_by("due_at").first()
    until = group.due_at if group else at + push.backoff()
    waiting.filter(pk=push.pk).update(due_at=until, waits_for_shop=True)
    # Who has waited long enough has a last try of its own.
    others = waiting.filter(due_at__lt=until, attempts__lt=Push.MAX_ATTEMPTS - 1).exclude(pk=push.pk)
    others.update(due_at=until, attempts=F("attempts") + 1, waits_for_shop=True, error=str(error))


def _wait_for_its_end(push, until):
    text = _("The shop may still be at work on it; it is looked for later.")
    drain.postpone(push, until, push.error or text)


def _number(answer: dict) -> int | None:
    number = answer.get("id")
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63 else None
