"""A rule tried on the orders of the last weeks before it is switched on: what they earn now, and what they would. Posts nothing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nlargest
from typing import Any

from django.db import transaction
from django.db.models import Model

from crm.orders.models import Order
from crm.stores.models import Store
from crm.work import wake

from .accounts import tiers_of
from .limits import Rooms
from .models import Campaign, EarningRule, Program, RuleVersion, Trial
from .models.program import worth_of
from .reckoning import Reckoning, owner_of
from .rulebook import Rulebook

Of = RuleVersion.Of
MODELS: dict[str, type[Program] | type[EarningRule] | type[Campaign]] = {
    Of.PROGRAM: Program,
    Of.RULE: EarningRule,
    Of.CAMPAIGN: Campaign,
}
# Of a programme: what decides what an order earns and what that costs. Nothing else of it is tried.
TRIED = {
    "rate", "rounding", "rounds_lines", "counts_shipping", "counts_taxes", "counts_fees", "excludes_sale", "excludes_gift_cards",
    "minimum_spend", "cap_order", "cap_day", "cap_month", "cap_customer", "stacks_multipliers", "point_value",
}  # fmt: skip
BATCH = 500
BIGGEST = 10


@dataclass
class Result:
    """Orders looked at and those that would earn otherwise; points by the rules of today and with the draft; what the difference costs.

    `biggest` are the orders with the greatest differences: {order, number, now, then}. Money is in the store's currency, as text;
    None where points have no value.
    """

    orders: int = 0
    affected: int = 0
    now: int = 0
    then: int = 0
    value_now: str | None = None
    value_then: str | None = None
    cost: str | None = None
    biggest: list[dict[str, Any]] = field(default_factory=list)

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def content_of(draft: Model) -> dict[str, Any]:
    """A rule, campaign or programme, saved or not, as a version of it would be kept, and switched on."""
    content = {str(f.column): _as_json(f.value_from_object(draft)) for f in draft._meta.concrete_fields}
    return content | {"active": True}


def _as_json(value):
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def kind_of(draft: Model) -> str:
    return next(of for of, model in MODELS.items() if isinstance(draft, model))


def orders_since(store: Store, since: datetime, until: datetime) -> list[int]:
    """Paid orders of customers that were placed in this time, the oldest first."""
    orders = Order.objects.for_store(store).existing().filter(is_paid=True, currency=store.currency)
    orders = orders.exclude(customer=None).filter(date_created_gmt__gte=since, date_created_gmt__lt=until)
    return list(orders.order_by("date_created_gmt", "pk").values_list("pk", flat=True))


def run(
    store: Store,
    of: str,
    object_id: int | None,
    content: dict[str, Any],
    *,
    days: int,
    at: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Work out every order of the last `days` twice: by the rules of `at`, and as if the draft had stood beside them all the time.

    The dates of campaigns are overlooked for the one that is tried; limits for a day and a month count from the first of the orders.
    """
    program = Program.objects.select_related("store").get(store=store)
    draft = Program(store=store, **_columns(content)) if of == Of.PROGRAM else program
    book = Rulebook.load(store, at, with_tree=True)
    with_draft = book.with_draft(of, object_id, _dateless(content) if of == Of.CAMPAIGN else content)
    ids = orders_since(store, at - timedelta(days=days), at)
    tiers = tiers_of(store)
    rooms, rooms_then = Rooms(program), Rooms(draft)
    result = Result(orders=len(ids))
    found: list[tuple[int, dict[str, Any]]] = []
    for start in range(0, len(ids), BATCH):
        progress(start, len(ids))
        batch = ids[start : start + BATCH]
        reckoning = Reckoning(store, batch, at=at, book=book, and_book=with_draft)
        place = {pk: index for index, pk in enumerate(batch)}
        for order in sorted(reckoning.orders, key=lambda order: place[order.pk]):
            tier = tiers.get(owner_of(order) or 0, "")
            now = reckoning.worth(order, tier=tier, room=rooms.left(order)).points
            then = reckoning.worth(order, tier=tier, room=rooms_then.left(order), book=with_draft).points
            rooms.take(order, now)
            rooms_then.take(order, then)
            result.now += now
            result.then += then
            if now != then:
                result.affected += 1
                found.append((abs(then - now), {"order": order.pk, "number": order.number, "now": now, "then": then}))
        found = nlargest(BIGGEST, found, key=lambda pair: pair[0])
    result.biggest = [difference for _size, difference in found]
    value, value_then = (worth_of(1, p.point_value, store.currency) is not None for p in (program, draft))
    if value and value_then:
        money_now, money_then = result.now * program.point_value, result.then * draft.point_value
        result.value_now, result.value_then = str(money_now), str(money_then)
        result.cost = str(money_then - money_now)
    progress(len(ids), len(ids))
    return result


def ask(draft: Program | EarningRule | Campaign, *, days: int, by=None) -> Trial:
    """Have a draft tried soon; returns the row that will have the result."""
    trial = Trial.objects.create(
        store=draft.store, of=kind_of(draft), object_id=draft.pk, name=str(draft)[:200], content=content_of(draft), days=days,
        created_by=by,
    )  # fmt: skip
    wake.wake(Trial)
    return trial


def perform(trial: Trial, at: datetime) -> None:
    """Run a trial that was asked for, and keep what it found."""

    def progress(checked, total):
        Trial.objects.filter(pk=trial.pk).update(checked=checked, total=total)

    found = run(trial.store, trial.of, trial.object_id, trial.content, days=trial.days, at=at, progress=progress)
    Trial.objects.filter(pk=trial.pk).update(result=found.dump())


@transaction.atomic
def adopt(trial: Trial) -> Program | EarningRule | Campaign:
    """Put what was tried into force; a rule takes the place of the one that is on for the same thing. Raises ValidationError.

    A trial may be old: of a programme nothing is touched that was not tried.
    """
    model = MODELS[trial.of]
    found = model._base_manager.filter(store=trial.store, pk=trial.object_id or 0).select_for_update().first()
    changed = found or model(store=trial.store)
    for f in model._meta.concrete_fields:
        is_tried = f.name in TRIED if trial.of == Of.PROGRAM else f.name not in ("id", "store", "created_at")
        if is_tried and f.column in trial.content:
            setattr(changed, f.attname, f.to_python(trial.content[f.column]))
    if isinstance(changed, EarningRule):
        same = EarningRule.objects.for_store(trial.store).filter(active=True, **_for_the_same(changed))
        same.exclude(pk=changed.pk).update(active=False)
    changed.full_clean()
    changed.save()
    return changed


def _for_the_same(rule: EarningRule) -> dict[str, int | None]:
    return {"product_id": rule.product_id, "category_id": rule.category_id}


def _columns(content) -> dict[str, Any]:
    fields = {f.column: f for f in Program._meta.concrete_fields}
    return {f.name: f.to_python(content[name]) for name, f in fields.items() if name in content and not f.is_relation}


def _dateless(content) -> dict[str, Any]:
    return content | {"starts_at": None, "ends_at": None}
