"""How the mirror of one store stands: what its sync page shows and what its programs read. Asks the database alone, in a constant number of queries."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Min, Q

from crm.orders.models import Order
from crm.stores.models import Store

from . import webhook_care
from .models import (
    ConnectionCheck,
    Drift,
    Incident,
    KeptAside,
    OrderDay,
    Reread,
    Resource,
    ShopWebhook,
    SyncRun,
    SyncState,
    WebhookDelivery,
)
from .rereads import NOTES

DAYS = 30
SHOWN = 20
NEWEST = 2000
# A run that goes on writes down its counts each second or so; one that is silent for longer waits for its next slice, or was killed.
SILENT = timedelta(minutes=2)


@dataclass
class Day:
    """What the comparisons of one day found."""

    day: date
    differing: int
    healed: int
    compared: bool


@dataclass
class Overview:
    """`at` is when this was looked up; the rest are rows, the newest first."""

    store: Store
    at: datetime
    states: list[SyncState]
    running: SyncRun | None
    waiting: list[SyncRun]
    runs: list[SyncRun]
    last_run: SyncRun | None
    newest_order: Order | None
    incidents: list[Incident]
    check: ConnectionCheck | None
    webhooks: list[ShopWebhook]
    deliveries: list[WebhookDelivery]
    parked_deliveries: int
    # Since when the oldest has waited to be applied, or to be read again.
    waiting_since: datetime | None
    kept_aside: list[KeptAside]
    kept_aside_count: int
    drifts: list[Drift]
    # Days whose orders differed when they were compared, the latest comparison first.
    order_days: list[OrderDay]

    @property
    def is_busy(self) -> bool:
        return bool(self.running or self.waiting)

    @property
    def is_silent(self) -> bool:
        """A run is open, and nothing was heard of it for a while."""
        return bool(self.running and self.running.seen_at and self.at - self.running.seen_at > SILENT)

    @property
    def last_delivery(self) -> WebhookDelivery | None:
        return self.deliveries[0] if self.deliveries else None

    @property
    def looked_at(self) -> datetime | None:
        """When the shop was last looked through to the end."""
        return self.last_run.finished_at if self.last_run else None

    @property
    def unread(self) -> list[SyncState]:
        """The kinds that were never read to their end: the shop refuses them, or they come later in a first import."""
        return [state for state in self.states if state.complete_until is None]

    @property
    def lag(self) -> timedelta | None:
        """An upper bound: what the shop had longer ago than this is held here. None as long as the orders were never read to their end.

        It is the time since the last walk that was finished began, of the kind of object for which that is longest ago: a run that goes on, waits or has failed
        makes nothing fresher, nor does a webhook, since the one before it may have been lost. What a webhook told and is not applied yet counts with its age.
        Not counted is what the page shows beside it: kinds that were never read, what is kept aside, parked deliveries; and what no date tells (a deletion
        for good, say), which the nightly comparison finds.
        """
        moments = {state.resource: state.complete_until for state in self.states if state.complete_until}
        if Resource.ORDERS not in moments:
            return None
        oldest = min([*moments.values(), self.waiting_since or self.at])
        return max(self.at - oldest, timedelta(0))

    @property
    def can_be_called(self) -> bool:
        return bool(self.last_delivery) or webhook_care.is_reachable(self.store)

    @property
    def hears(self) -> bool:
        """Whether webhooks do their part: all are active, and one has arrived."""
        return bool(self.webhooks and self.last_delivery) and all(hook.status == "active" for hook in self.webhooks)

    @property
    def by_day(self) -> list[Day]:
        """The last 30 days, oldest first, by the store's calendar."""
        today = self.at.astimezone(self.store.zone).date()
        days = {day: Day(day, 0, 0, False) for day in (today - timedelta(days=n) for n in reversed(range(DAYS)))}
        for drift in self.drifts:
            if found := days.get(drift.day):
                found.differing += drift.differing
                found.healed += drift.healed
                found.compared = True
        return list(days.values())


def look(store: Store, at: datetime) -> Overview:
    runs = SyncRun.objects.for_store(store)
    deliveries = WebhookDelivery.objects.filter(store=store).defer("body")
    aside = KeptAside.objects.for_store(store).unresolved()
    ended = runs.exclude(finished_at=None)
    return Overview(
        store=store,
        at=at,
        states=_in_order(SyncState.objects.filter(store=store)),
        running=runs.open().first(),
        waiting=list(runs.waiting().order_by("asked_at")),
        runs=list(ended.worth_telling().order_by("-pk")[:10]),
        # One that made way for a longer one is incomplete without an error, and came to no end.
        last_run=ended.filter(Q(outcome="done") | Q(outcome="incomplete") & ~Q(error="")).order_by("-pk").first(),
        newest_order=Order.objects.filter(store=store).order_by("-date_created_gmt", "-pk").first(),
        incidents=list(Incident.objects.for_store(store).open().order_by("kind")),
        check=ConnectionCheck.objects.filter(store=store).first(),
        webhooks=_webhooks(store),
        deliveries=list(deliveries.order_by("-created_at")[:SHOWN]),
        parked_deliveries=deliveries.filter(state="parked").count(),
        waiting_since=_waiting_since(store),
        kept_aside=list(aside.defer("payload").order_by("-pk")[:SHOWN]),
        kept_aside_count=aside.count(),
        drifts=list(
            Drift.objects.for_store(store)
            .filter(day__gt=at.astimezone(store.zone).date() - timedelta(days=DAYS))
            .order_by("-started_at", "resource")
        ),
        order_days=list(
            OrderDay.objects.for_store(store)
            .filter(compared_at__gt=at - timedelta(days=DAYS))
            .differing()
            .order_by("-compared_at", "-day")[: 5 * SHOWN]
        ),
    )


def _in_order(states) -> list[SyncState]:
    order = list(Resource.values)
    return sorted(states, key=lambda state: order.index(state.resource))


def _waiting_since(store: Store) -> datetime | None:
    """Notes are left out: they are asked for half a minute after each change, on purpose."""
    told = WebhookDelivery.objects.filter(store=store).waiting().aggregate(since=Min("created_at"))
    asked = Reread.objects.filter(store=store).waiting().exclude(resource=NOTES).aggregate(since=Min("created_at"))
    return min(filter(None, [told["since"], asked["since"]]), default=None)


def _webhooks(store: Store) -> list[ShopWebhook]:
    """The webhooks with `last_delivery_at`, as far as the store's newest deliveries tell: to find the last of a topic that is hardly ever told
    would be to read all there are, and one more index to keep for every delivery."""
    newest = WebhookDelivery.objects.filter(store=store).order_by("-created_at")
    last: dict[str, datetime] = {}
    for topic, created_at in newest.values_list("topic", "created_at")[:NEWEST]:
        last.setdefault(topic, created_at)
    hooks = list(ShopWebhook.objects.for_store(store).order_by("topic"))
    for hook in hooks:
        hook.last_delivery_at = last.get(hook.topic)
    return hooks
