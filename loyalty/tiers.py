"""Who is in which tier: up at once, down only when a year is over, after a word and days of grace. The only code that writes standings.

A year is the calendar's, or the last twelve months. A standing has a year of its own, at whose end the tier must have been reached again
within that year; for the calendar's year that is New Year. All days are the store's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef

from crm.events import recording
from crm.events.recording import Fact
from crm.messaging import holds, outbox
from crm.orders.models import Customer
from crm.stores.models import Store
from crm.work.batches import batched

from . import ledger, members, programs
from .days import midnight, years_later
from .models import Account, Campaign, Program, Tier, TierChange, TierStanding
from .reaching import figures, reached, year_end, year_of

Why = TierChange.Why
REACHED, ENDING = "tier-reached", "tier-ending"
# Nobody goes down who was not told for so long, though the nightly pass did not run for weeks.
TOLD_FOR = timedelta(days=7)
BATCH = 1000


@dataclass
class Move:
    """A customer comes to a tier, or to none. `ends_on` is the first day after the year in which the tier is safe."""

    customer_id: int
    tier: Tier | None
    why: str
    figure: Decimal | None = None
    ends_on: date | None = None


@transaction.atomic
def check(store: Store, customer_ids: Iterable[int], at: datetime) -> list[TierChange]:
    """Lift those of these customers who have reached a higher tier, and tell them. A constant number of statements."""
    program, tiers = _tiers_of(store)
    if program is None or not tiers:
        return []
    owners = {
        joined or pk
        for pk, joined in Customer.objects.for_store(store)
        .filter(pk__in=customer_ids)
        .values_list("pk", "joined_to_id")
    }
    return _lift(program, tiers, figures(program, *year_of(program, at), owners), at, announce=True)


def nightly(store: Store, at: datetime) -> int:
    """The pass of a store: years that are over, words before, and whatever no event told of. Safe to repeat; returns how many changed."""
    program, tiers = _tiers_of(store)
    if program is None:
        return 0
    changed = _drop_those_who_left(program, at)
    # A tier was deleted, and with it the standings.
    in_none = ~Exists(TierStanding.objects.filter(customer=OuterRef("customer")))
    Account.objects.for_store(store).points().exclude(tier="").filter(in_none).update(tier="")
    if not tiers:
        return changed
    found = figures(program, *year_of(program, at)).filter(figure__gte=tiers[0].threshold).order_by("owner")
    for batch in batched(found.iterator(chunk_size=BATCH), BATCH):
        with transaction.atomic():
            # Nothing happened just now: the tiers were changed, or this is the first look at them.
            changed += len(_lift(program, tiers, batch, at, announce=False))
    for ends_on in _days(program, TierStanding.objects.filter(store=store, ends_on__lte=_today(program, at))):
        changed += _end_year(program, tiers, ends_on, at)
    soon = _today(program, at) + timedelta(days=program.tier_notice_days)
    for ends_on in _days(program, TierStanding.objects.filter(store=store, warned_at=None, ends_on__lte=soon)):
        _tell_what_is_missing(program, tiers, ends_on, at)
    return changed


def _tiers_of(store):
    program = programs.of(store)
    if program is None or not program.active:
        return None, []
    tiers = list(program.tiers.order_by("threshold"))
    return program, tiers


def _days(program, standings) -> list[date]:
    return list(standings.order_by("ends_on").values_list("ends_on", flat=True).distinct())


def _today(program, at) -> date:
    return at.astimezone(program.store.zone).date()


def _lift(program, tiers, found, at, announce) -> list[TierChange]:
    targets = {owner: (tier, figure) for owner, figure in found if (tier := reached(tiers, figure))}
    taking_part = Customer.objects.filter(members.taking_part(program), pk__in=targets, joined_to=None)
    held = _held(program, targets)
    moves = []
    for customer_id in taking_part.order_by("pk").values_list("pk", flat=True):
        tier, figure = targets[customer_id]
        standing = held.get(customer_id)
        if standing is None or standing.tier.threshold < tier.threshold:
            moves.append(Move(customer_id, tier, Why.REACHED, figure, year_end(program, at)))
    return _move(program, moves, held, at, announce)


def _held(program, customer_ids) -> dict[int, TierStanding]:
    """The standings of these customers, locked in one order."""
    rows = TierStanding.objects.filter(store=program.store, customer__in=customer_ids).order_by("customer_id")
    return {row.customer_id: row for row in rows.select_related("tier").select_for_update(of=("self",))}


def _end_year(program, tiers, ends_on, at) -> int:
    """Who reached the tier again in the year that ended has it for another; the others go down when grace and notice are over."""
    changed = 0
    ended = TierStanding.objects.filter(store=program.store, ends_on=ends_on).order_by("customer_id")
    for ids in batched(ended.values_list("customer_id", flat=True), BATCH):
        with transaction.atomic():
            held = {pk: row for pk, row in _held(program, ids).items() if row.ends_on == ends_on}
            year = midnight(program.store, years_later(ends_on, -1)), midnight(program.store, ends_on)
            then, now = (dict(figures(program, *window, held)) for window in (year, year_of(program, at)))
            moves, kept = [], []
            for pk, standing in held.items():
                figure = max(then.get(pk, Decimal(0)), now.get(pk, Decimal(0)))
                tier = reached(tiers, figure)
                if tier and tier.threshold >= standing.tier.threshold:
                    kept.append(standing.pk)
                elif _may_go_down(program, standing, at):
                    moves.append(Move(pk, tier, Why.MISSED, figure, _next_end(program, ends_on, at)))
            TierStanding.objects.filter(pk__in=kept).update(ends_on=_next_end(program, ends_on, at), warned_at=None)
            changed += len(_move(program, moves, held, at, announce=False))
    return changed


def _may_go_down(program, standing, at) -> bool:
    grace = standing.ends_on + timedelta(days=program.tier_grace_days)
    return _today(program, at) >= grace and standing.warned_at is not None and standing.warned_at <= at - TOLD_FOR


def _next_end(program, ends_on, at) -> date:
    while ends_on <= _today(program, at):
        ends_on = years_later(ends_on, 1)
    return ends_on


def _tell_what_is_missing(program, tiers, ends_on, at):
    # The gate would skip what is written to somebody on hold, who is told afterwards.
    standings = TierStanding.objects.filter(store=program.store, ends_on=ends_on, warned_at=None)
    standings = standings.exclude(customer__in=holds.held(program.store, at))
    for ids in batched(standings.order_by("customer_id").values_list("customer_id", flat=True), BATCH):
        with transaction.atomic():
            held = {pk: row for pk, row in _held(program, ids).items() if row.ends_on == ends_on and not row.warned_at}
            year = midnight(program.store, years_later(ends_on, -1)), midnight(program.store, ends_on)
            so_far = dict(figures(program, *year, held))
            short = [row for pk, row in held.items() if so_far.get(pk, 0) < row.tier.threshold]
            # Told after the year, by a late pass or after a hold: what is reached now can keep the tier, as `_end_year` has it.
            is_late = ends_on <= _today(program, at)
            now = dict(figures(program, *year_of(program, at), held)) if is_late else so_far
            TierStanding.objects.filter(pk__in=[row.pk for row in short]).update(warned_at=at)
            customers = Customer.objects.in_bulk([row.customer_id for row in short])
            drafts = [
                outbox.Draft(
                    f"{row.tier_id}:{ends_on}", customer=customers[row.customer_id], at=at,
                    context=_ending(program, tiers, row, so_far.get(row.customer_id, Decimal(0)), now.get(row.customer_id, Decimal(0)), at),
                )
                for row in short
            ]  # fmt: skip
            outbox.queue_many(program.store, ENDING, drafts)


def _ending(program, tiers, standing, in_year, now, at) -> dict:
    lower = reached(tiers, max(in_year, now))
    today = _today(program, at)
    drops_on = max(standing.ends_on + timedelta(days=program.tier_grace_days), today + TOLD_FOR)
    return {
        "tier": standing.tier.name,
        "lower": lower.name if lower else "",
        "missing": str(standing.tier.threshold - now),
        "measure": program.tier_measure,
        "last_day": str((standing.ends_on if standing.ends_on > today else drops_on) - timedelta(days=1)),
        "drops_on": str(drops_on),
    }


@transaction.atomic
def leave(store: Store, customer_ids: Iterable[int], at: datetime) -> list[TierChange]:
    """Who takes no part any more is in no tier."""
    program = programs.of(store)
    held = _held(program, customer_ids) if program else {}
    return _move(program, [Move(pk, None, Why.LEFT) for pk in held], held, at, announce=False) if held else []


def _drop_those_who_left(program, at) -> int:
    gone = TierStanding.objects.filter(store=program.store).exclude(members.taking_part(program, "customer_id"))
    return len(leave(program.store, list(gone.values_list("customer_id", flat=True)), at))


@transaction.atomic
def merge(store: Store, guest_id: int, customer_id: int, at: datetime) -> None:
    """A guest turned out to be a registered customer, who gets the better of both standings and what both together have reached."""
    program = programs.of(store)
    if program is None:
        return
    held = _held(program, [guest_id, customer_id])
    if guest := held.get(guest_id):
        own = held.get(customer_id)
        moves = [Move(guest_id, None, Why.MERGED)]
        if own is None or own.tier.threshold < guest.tier.threshold:
            moves.append(Move(customer_id, guest.tier, Why.MERGED, None, guest.ends_on))
        _move(program, moves, held, at, announce=False)
    check(store, [customer_id], at)


def _move(program, moves: list[Move], held: dict[int, TierStanding], at, announce) -> list[TierChange]:
    if not moves:
        return []
    store = program.store
    changes = TierChange.objects.bulk_create(
        TierChange(
            store=store, customer_id=move.customer_id, why=move.why, figure=move.figure, at=at,
            was=held[move.customer_id].tier.name if move.customer_id in held else "",
            was_key=held[move.customer_id].tier.key if move.customer_id in held else "",
            became=move.tier.name if move.tier else "",
        )
        for move in moves
    )  # fmt: skip
    TierStanding.objects.filter(customer__in=[move.customer_id for move in moves if move.tier is None]).delete()
    TierStanding.objects.bulk_create(
        [
            TierStanding(store=store, customer_id=move.customer_id, tier=move.tier, since=at, ends_on=move.ends_on)
            for move in moves
            if move.tier and move.ends_on
        ],
        update_conflicts=True,
        unique_fields=["customer"],
        update_fields=["tier", "since", "ends_on", "warned_at"],
    )
    _mark_accounts(store, moves)
    _tell(store, changes)
    if announce:
        _congratulate(store, changes, moves, at)
    return changes


def _mark_accounts(store, moves):
    """Earning reads the tier's key on the account, and what it was before in the changes."""
    ledger.open_accounts(store, [move.customer_id for move in moves if move.tier])
    by_key: dict[str, list[int]] = {}
    for move in moves:
        by_key.setdefault(move.tier.key if move.tier else "", []).append(move.customer_id)
    for key, ids in sorted(by_key.items()):
        Account.objects.for_store(store).points().filter(customer__in=ids).update(tier=key)


def _tell(store, changes):
    recording.record_many(
        store,
        [
            Fact(
                "tier.changed",
                str(change.pk),
                customer_id=change.customer_id,
                data={"from": change.was, "to": change.became, "why": change.why},
                occurred_at=change.at,
            )
            for change in changes
        ],
    )


def _congratulate(store, changes, moves, at):
    customers = Customer.objects.in_bulk([move.customer_id for move in moves])
    drafts = [
        outbox.Draft(
            f"{change.pk}", customer=customers[move.customer_id], at=at,
            context={
                "tier": move.tier.name, "perks": move.tier.perks, "until": str(move.ends_on - timedelta(days=1)),
                "multiplier": str(move.tier.multiplier.normalize()) if move.tier.multiplier > 1 else "",
            },
        )
        for change, move in zip(changes, moves, strict=True)
        if move.tier and move.ends_on
    ]  # fmt: skip
    outbox.queue_many(store, REACHED, drafts)


@transaction.atomic
def settle_campaigns(program: Program) -> None:
    """Each tier's multiplier is a campaign for its members: made, changed and switched off with the tier."""
    for tier in program.tiers.select_related("campaign"):
        terms = {"name": tier.name, "multiplier": tier.multiplier, "tiers": [tier.key], "active": True}
        if tier.multiplier <= 1:
            Campaign.objects.filter(pk=tier.campaign_id or 0).update(active=False)
        elif tier.campaign is None:
            tier.campaign = Campaign.objects.create(store=program.store, **terms)
            tier.save(update_fields=["campaign"])
        elif any(getattr(tier.campaign, name) != value for name, value in terms.items()):
            Campaign.objects.filter(pk=tier.campaign.pk).update(**terms)
