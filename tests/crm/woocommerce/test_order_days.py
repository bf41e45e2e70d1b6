"""What the orders of each day come to in the shop and here, as a comparison finds it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from crm.orders.models import Order
from crm.woocommerce import overview, sync
from crm.woocommerce.models import Drift, OrderDay, SyncState

pytestmark = pytest.mark.django_db
Mode = SyncState.Mode


@pytest.fixture
def imported(shop_store):
    sync.run(shop_store)
    return shop_store


def in_mirror(store):
    """day: (orders, what they come to less refunds), by the store's calendar."""
    held = Order.objects.filter(store=store, deleted_at=None).annotate(
        day=TruncDate("date_created_gmt", tzinfo=store.zone)
    )
    days = held.values("day").annotate(count=Count("pk"), total=Sum(F("total") - F("refunded_total")))
    return {row["day"]: (row["count"], row["total"]) for row in days}


def test_a_comparison_writes_down_each_day_with_both_sides_as_they_were(imported):
    right = in_mirror(imported)
    missing, wrong = Order.objects.filter(store=imported).order_by("woo_id")[:2]
    Order.objects.filter(pk=missing.pk).delete()
    Order.objects.filter(pk=wrong.pk).update(
        total=F("total") - 5, date_modified_gmt="2020-01-01T00:00:00Z", digest="other"
    )
    was = in_mirror(imported)

    sync.run(imported, mode=Mode.COMPARE)

    days = {row.day: row for row in OrderDay.objects.for_store(imported)}
    assert {day: (row.in_shop, row.shop_total) for day, row in days.items()} == right
    assert {day: (row.in_mirror, row.mirror_total) for day, row in days.items() if row.in_mirror} == was
    differing = {order.date_created_gmt.astimezone(imported.zone).date() for order in (missing, wrong)}
    shown = overview.look(imported, timezone.now()).order_days
    assert [row.day for row in shown] == sorted(differing, reverse=True)

    # The next one begins anew, and finds what was put right. What differed stays on record.
    sync.run(imported, mode=Mode.COMPARE)

    assert in_mirror(imported) == right
    last = Drift.objects.filter(resource="orders").latest("started_at").started_at
    of_last = OrderDay.objects.filter(compared_at=last)
    assert not of_last.differing().exists()
    assert {row.day: (row.in_mirror, row.mirror_total) for row in of_last} == right
    assert overview.look(imported, timezone.now()).order_days == shown
    assert list(OrderDay.objects.exclude(compared_at=last).order_by("-day")) == shown


def test_a_day_that_differed_twice_stands_there_twice(imported):
    wrong = Order.objects.filter(store=imported).order_by("woo_id").first()
    for total in (wrong.total - 5, wrong.total - 7):
        Order.objects.filter(pk=wrong.pk).update(total=total, date_modified_gmt="2020-01-01T00:00:00Z", digest="other")
        sync.run(imported, mode=Mode.COMPARE)
    sync.run(imported, mode=Mode.COMPARE)

    later, earlier = overview.look(imported, timezone.now()).order_days
    assert later.day == earlier.day and later.compared_at > earlier.compared_at
    assert (later.shop_total - later.mirror_total, earlier.shop_total - earlier.mirror_total) == (7, 5)


def test_a_day_that_differed_is_forgotten_after_30_days(imported):
    began = timezone.now()
    for days in (29, 31):
        OrderDay.objects.create(
            store=imported, day=began.date() - timedelta(days=5000 + days), compared_at=began - timedelta(days=days),
            in_shop=1, in_mirror=0, shop_total=Decimal(5), mirror_total=Decimal(0),
        )  # fmt: skip

    sync.run(imported, mode=Mode.COMPARE)

    assert [row.compared_at for row in OrderDay.objects.differing()] == [began - timedelta(days=29)]
