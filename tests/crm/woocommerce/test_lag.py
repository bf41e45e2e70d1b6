"""How far the mirror is behind is an upper bound: whatever happens, it is never said to be less than it is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.woocommerce import overview, sync
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import Reread, SyncRun, SyncState
from postpurchase.demo.web import json_response
from tests.factories import NOW, make_delivery, make_staff

from .payloads import order

pytestmark = pytest.mark.django_db
NO = {"code": "woocommerce_rest_cannot_view", "message": "Sorry"}


@pytest.fixture
def read_to_the_end(store):
    """Each kind's last walk began ten minutes ago."""
    for resource in sync.STEPS:
        walk(store, resource, 10)
    return store


def walk(store, resource, minutes, **fields):
    began = NOW - timedelta(minutes=minutes)
    defaults = {"mode": "changes", "started_at": began, "finished_at": NOW, "complete_until": began}
    SyncState.objects.update_or_create(store=store, resource=resource, defaults=defaults | fields)


def minutes_behind(store):
    lag = overview.look(store, NOW).lag
    return None if lag is None else lag.total_seconds() / 60


def aged(store, days=1):
    """The store as if all that was read so far had been read days ago."""
    for state in SyncState.objects.filter(store=store):
        if state.complete_until:
            SyncState.objects.filter(pk=state.pk).update(complete_until=state.complete_until - timedelta(days=days))


def test_it_counts_from_the_beginning_of_the_kind_that_was_read_longest_ago(read_to_the_end):
    # That walk took an hour and a half: what changed meanwhile may be missing.
    walk(read_to_the_end, "refunds", 90)

    assert minutes_behind(read_to_the_end) == 90


def test_a_webhook_that_arrives_does_not_say_that_the_one_before_did(read_to_the_end):
    for minutes in (1, 5):
        make_delivery(read_to_the_end, order(minutes), state="done", created_at=NOW - timedelta(minutes=minutes))

    assert minutes_behind(read_to_the_end) == 10


def test_what_was_told_and_is_not_applied_counts_with_its_age(read_to_the_end):
    make_delivery(read_to_the_end, order(1), created_at=NOW - timedelta(minutes=30), attempts=3)
    assert minutes_behind(read_to_the_end) == 30

    row = {"resource": "customers", "woo_id": 1, "created_at": NOW - timedelta(minutes=45), "state": "running"}
    Reread.objects.create(store=read_to_the_end, **row)
    assert minutes_behind(read_to_the_end) == 45


def test_a_walk_on_its_way_makes_nothing_fresher(read_to_the_end):
    SyncState.objects.filter(store=read_to_the_end).update(started_at=NOW, finished_at=None)

    assert minutes_behind(read_to_the_end) == 10


def test_a_first_import_that_has_not_ended_says_nothing(store):
    for resource in ("categories", "products", "customers"):
        walk(store, resource, 1)
    walk(store, "orders", 1, finished_at=None, complete_until=None)

    assert minutes_behind(store) is None


def test_a_run_that_made_way_for_a_longer_one_looked_through_nothing(store):
    SyncRun.objects.create(store=store, mode="changes", outcome="incomplete", started_at=NOW, finished_at=NOW)

    assert overview.look(store, NOW).looked_at is None


def test_real_syncs_that_end_fail_and_are_refused_a_part(client, demo, shop_store):
    client.force_login(make_staff(shop_store))
    sync.run(shop_store)
    assert overview.look(shop_store, timezone.now()).lag < timedelta(minutes=1)

    aged(shop_store)
    demo.faults.append(lambda request, response: json_response(NO, 401))
    with pytest.raises(WooCommerceError):
        sync.run(shop_store)
    assert overview.look(shop_store, timezone.now()).lag > timedelta(hours=23)

    demo.faults[:] = [lambda request, response: json_response(NO, 403) if "coupons" in request.path else None]
    assert sync.run(shop_store).errors
    # They were read once, and by now nobody knows.
    assert overview.look(shop_store, timezone.now()).lag > timedelta(hours=23)

    demo.faults.clear()
    sync.run(shop_store)
    assert overview.look(shop_store, timezone.now()).lag < timedelta(minutes=1)


def test_what_the_shop_never_let_us_read_is_named_beside_it(client, demo, shop_store):
    client.force_login(make_staff(shop_store))
    demo.faults.append(lambda request, response: json_response(NO, 403) if "coupons" in request.path else None)
    sync.run(shop_store)

    page = " ".join(client.get(f"/admin/woocommerce/connection/{shop_store.pk}/change/").content.decode().split())

    assert "without what was never read to its end: Coupons" in page
