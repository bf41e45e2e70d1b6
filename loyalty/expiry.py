"""When points expire, and that nobody loses any unwarned.

The day stands on the lots themselves, so that spending takes first what expires first. It is written by the nightly pass: so many months
after points became usable, or after the last movement of the account. A lot's `expires_at` is the end of a day by the store's clock.

Nothing expires while a customer is on hold, nor in the two weeks after, nor before seven days have passed since its owner was told.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from crm.events import recording
from crm.events.models import Event
from crm.events.recording import Fact
from crm.messaging import holds, outbox
from crm.orders.models import Customer
from crm.stores.models import Store
from crm.work.batches import batched

from . import ledger, members, programs
from .accounts import CREDIT
from .days import end_of
from .models import Account, Lot, Program

MAIL = "points-expiring"
EVENT = "points.expiring"
# Days before. Who gets the first notice is told in the same mail of what expires in the week after, and not each day anew.
NOTICES = (7, 30)
LOOK_AHEAD = 7
AFTER_HOLD = timedelta(days=14)
# How long a hold that has ended may have been over without this pass having run.
HELD_SINCE = timedelta(days=60)
# A rule that begins today must not take away soon what nobody was warned of; nor one that goes on after a pause.
NEW_RULE = timedelta(days=60)
BATCH = 1000

_END_OF_DAY = "((date_trunc('day', ({}) AT TIME ZONE %(zone)s) + interval '1 day') AT TIME ZONE %(zone)s)"
_LATER = _END_OF_DAY.format("(({}) AT TIME ZONE %(zone)s + make_interval(months => %(months)s)) AT TIME ZONE %(zone)s")
# Money that customers have here (`CREDIT`) is no gift of the programme: its rule takes nothing of it.
# Each lot for itself: dated once, and a change of the rule does not date it anew, other than to give more time.
_DATE_LOTS = f"""
    UPDATE loyalty_lot SET expires_at = greatest(coalesce(expires_at, {_LATER.format("released_at")}), %(earliest)s)
    WHERE store_id = %(store)s AND is_open AND released_at IS NOT NULL AND account_id NOT IN {CREDIT}
        AND (expires_at IS NULL OR expires_at < %(earliest)s)
"""
# All lots of an account together: whatever brings or takes points by the customer's doing moves the day on.
_DATE_ACCOUNTS = f"""
    WITH active AS (
        SELECT account_id, max(created_at) AS last_at FROM loyalty_ledgerentry
        WHERE store_id = %(store)s AND kind NOT IN ('expire', 'reverse') AND account_id NOT IN {CREDIT} GROUP BY account_id
    ), due AS (
        SELECT account_id, greatest({_LATER.format("last_at")}, %(earliest)s) AS expires_at FROM active
    )
    UPDATE loyalty_lot AS lot SET expires_at = due.expires_at FROM due
    WHERE due.account_id = lot.account_id AND lot.is_open AND lot.released_at IS NOT NULL
        AND (lot.expires_at IS NULL OR lot.expires_at < due.expires_at)
"""
_POSTPONE = f"""
    UPDATE loyalty_lot AS lot SET expires_at = {_END_OF_DAY.format("held.until")}
    FROM unnest(%(customers)s::bigint[], %(until)s::timestamptz[]) AS held(customer_id, until)
    JOIN loyalty_account AS account USING (customer_id)
    WHERE lot.account_id = account.id AND lot.is_open AND lot.expires_at < held.until AND account.store_id = %(store)s
"""


@dataclass
class Bucket:
    """Points of an account that expire at the end of a day."""

    account_id: int
    customer_id: int
    expires_at: datetime
    day: date
    points: int


def run(store: Store, at: datetime) -> int:
    """The nightly pass of a store: date, postpone, warn, expire. Safe to repeat; returns how many lots expired.

    Nothing expires while the programme is paused, when nobody can spend anything.
    """
    program = programs.of(store)
    if program is None or not is_on(program):
        return 0
    date_lots(program)
    postpone(store, at)
    warn(program, at)
    spare = Account.objects.for_store(store).points().filter(customer__in=holds.held(store, at))
    return ledger.expire(store, at, spare=list(spare.values_list("pk", flat=True)))


def is_on(program: Program) -> bool:
    """Whether points expire at all at present."""
    return program.active and program.expiry != Program.Expiry.NEVER


def date_lots(program: Program) -> None:
    """Write on each lot the day at whose end it expires by the programme's rule."""
    _execute(
        _DATE_LOTS if program.expiry == Program.Expiry.LOT else _DATE_ACCOUNTS,
        program.store,
        months=program.expiry_months,
        earliest=_earliest(program),
    )


def _earliest(program) -> datetime | None:
    """Nothing expires before: the rule is new, or goes on after a pause."""
    since = program.expiry_since
    return end_of(program.store, (since + NEW_RULE).astimezone(program.store.zone).date()) if since else None


def day_of(program: Program, expires_at: datetime) -> date:
    """The last day of a lot, also before the night in which a new rule or the end of a pause is written on it."""
    return last_day(program.store, max(expires_at, _earliest(program) or expires_at))


def postpone(store: Store, at: datetime) -> None:
    """What would have expired during a hold is kept for two weeks after its end."""
    ended = {pk: end for pk, end in holds.recently_held(store, at - HELD_SINCE, at).items() if end}
    _execute(_POSTPONE, store, customers=list(ended), until=[end + AFTER_HOLD for end in ended.values()])


def _execute(statement, store, **parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters | {"store": store.pk, "zone": store.timezone})


def warn(program: Program, at: datetime) -> None:
    """Tell members 30 and 7 days before; what would go sooner without a word is kept until 7 days from now."""
    today = at.astimezone(program.store.zone).date()
    by_account = defaultdict(list)
    for bucket in _buckets(program, end_of(program.store, today + timedelta(days=max(NOTICES) + LOOK_AHEAD)), at):
        by_account[bucket.account_id].append(bucket)
    for accounts in batched(by_account.values(), BATCH):
        with transaction.atomic():
            _warn(program.store, accounts, today, at)


def _buckets(program, until, at) -> Iterator[Bucket]:
    store = program.store
    lots = Lot.objects.for_store(store).filter(is_open=True, released_at__isnull=False, expires_at__lte=until)
    # On hold is told afterwards; whoever left was told what happens when leaving.
    lots = lots.exclude(account__customer__in=holds.held(store, at))
    lots = lots.filter(members.taking_part(program, "account__customer_id"), account__unit=Account.Unit.POINTS)
    yield from _grouped(program, lots)


def _grouped(program, lots: QuerySet) -> Iterator[Bucket]:
    rows = lots.values_list("account_id", "account__customer_id", "expires_at").annotate(points=Sum("remaining"))
    for account_id, customer_id, expires_at, points in rows.order_by("account_id", "expires_at"):
        yield Bucket(account_id, customer_id, expires_at, day_of(program, expires_at), points)


def _warn(store, accounts: list[list[Bucket]], today, at):
    keys = {_key(bucket, stage) for buckets in accounts for bucket in buckets for stage in NOTICES}
    told = set(Event.objects.filter(store=store, type=EVENT, key__in=keys).values_list("key", flat=True))
    facts = []
    for buckets in accounts:
        buckets = _kept_until_told(store, buckets, told, today)
        due = [
            (bucket, stage)
            for bucket in buckets
            if (stage := _stage(bucket, today)) and _key(bucket, stage) not in told
        ]
        if any((bucket.day - today).days <= stage for bucket, stage in due):
            facts += [_fact(bucket, stage, today, at) for bucket, stage in due]
    _mail(store, recording.record_many(store, facts), today, at)


def _kept_until_told(store, buckets, told, today) -> list[Bucket]:
    first = today + timedelta(days=min(NOTICES))
    for bucket in buckets:
        if bucket.day < first and not any(_key(bucket, stage) in told for stage in NOTICES):
            lots = Lot.objects.filter(account=bucket.account_id, expires_at=bucket.expires_at, is_open=True)
            lots.update(expires_at=end_of(store, first))
            bucket.day = first
    merged: dict[date, Bucket] = {}
    for bucket in buckets:
        if bucket.day in merged:
            merged[bucket.day].points += bucket.points
        else:
            merged[bucket.day] = bucket
    return list(merged.values())


def _stage(bucket, today) -> int | None:
    left = (bucket.day - today).days
    return next((stage for stage in NOTICES if left <= stage + (LOOK_AHEAD if stage == max(NOTICES) else 0)), None)


def _key(bucket, stage) -> str:
    return f"{bucket.account_id}:{bucket.day}:{stage}"


def _fact(bucket, stage, today, at) -> Fact:
    data = {"points": bucket.points, "day": str(bucket.day), "days": (bucket.day - today).days}
    return Fact(EVENT, _key(bucket, stage), customer_id=bucket.customer_id, data=data, occurred_at=at)


def _mail(store, events, today, at):
    """One mail for each account, with all that was told of just now."""
    by_account: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_account[event.key.partition(":")[0]].append(event)
    customers = Customer.objects.in_bulk({event.customer_id for event in events})
    drafts = []
    for account, group in by_account.items():
        items = sorted(
            ({"day": e.data["day"], "points": e.data["points"]} for e in group), key=lambda item: item["day"]
        )
        context = {"items": items, "points": sum(item["points"] for item in items), "day": items[0]["day"]}
        customer = customers[group[0].customer_id]
        drafts.append(outbox.Draft(f"{account}:{today}", customer=customer, context=context, at=at))
    outbox.queue_many(store, MAIL, drafts)


def upcoming(store: Store, account_ids: Iterable[int], limit: int = 5) -> list[Bucket]:
    """What of these accounts expires next, the soonest first; nothing where points do not expire, or while they do not."""
    program = programs.of(store)
    if program is None or not is_on(program):
        return []
    lots = Lot.objects.for_store(store).filter(account__in=account_ids, is_open=True, released_at__isnull=False)
    return sorted(_grouped(program, lots.exclude(expires_at=None)), key=lambda bucket: bucket.expires_at)[:limit]


def last_day(store: Store, expires_at: datetime) -> date:
    """The last day on which points can be spent that are gone from `expires_at` on."""
    return (expires_at - timedelta(microseconds=1)).astimezone(store.zone).date()
