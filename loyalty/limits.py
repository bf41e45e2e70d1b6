"""The most that a customer's orders may earn on a day, in a month and in all."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from crm.orders.models import Order

from .models import LedgerEntry, Program
from .reckoning import owner_of, placed

Kind = LedgerEntry.Kind


class Rooms:
    """What the programme's limits leave for each of some orders. One query, and none without limits; without orders, all of them.

    `taken` goes from one batch to the next where nothing is posted in between. An order belongs to the day on which it was placed, by the shop's time. Points that were taken back make room again.
    """

    def __init__(self, program: Program, orders: Iterable[Order] = (), taken: defaultdict[Hashable, int] | None = None):
        orders = list(orders)
        limits = {"day": program.cap_day, "month": program.cap_month, "ever": program.cap_customer}
        self.limits = {period: cap for period, cap in limits.items() if cap is not None}
        self.zone = ZoneInfo(program.store.timezone)
        self.used: dict[Hashable, int] = defaultdict(int)
        self.taken: defaultdict[Hashable, int] = defaultdict(int) if taken is None else taken
        owners = {owner for order in orders if (owner := owner_of(order))}
        if not self.limits or not owners:
            return
        earned = LedgerEntry.objects.for_store(program.store_id).filter(kind__in=[Kind.EARN, Kind.REVERSE])
        earned = earned.annotate(owner=Coalesce("order__customer__joined_to", "order__customer"))
        earned = earned.filter(owner__in=owners)
        if "ever" not in self.limits:
            # More than the month of the earliest order, whatever the zone.
            earned = earned.filter(order__date_created_gmt__gte=min(map(placed, orders)) - timedelta(days=32))
        rows = earned.values_list("owner", "order__date_created_gmt").annotate(
            points=Sum(F("points") + F("pending") - F("shortfall"))
        )
        for owner, moment, points in rows.order_by():
            for period in self._periods(owner, moment):
                self.used[period] += points

    def left(self, order: Order) -> int | None:
        """How many points this order may earn; None if there is no limit."""
        periods = self._periods(owner_of(order), placed(order))
        rooms = (
            cap - self.used[period] - self.taken[period]
            for cap, period in zip(self.limits.values(), periods, strict=True)
        )
        return max(min(rooms), 0) if self.limits else None

    def take(self, order: Order, points: int) -> None:
        for period in self._periods(owner_of(order), placed(order)):
            self.taken[period] += points

    def _periods(self, owner, moment) -> Iterator[Hashable]:
        day = moment and moment.astimezone(self.zone).date()
        places = {"day": day, "month": day and (day.year, day.month), "ever": ""}
        for period in self.limits:
            yield owner, period, places[period]
