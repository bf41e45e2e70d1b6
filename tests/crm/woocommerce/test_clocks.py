"""Shops whose clocks are wrong: they are read, written to and left alone all the same."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.core.management import call_command

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce import push, sync
from crm.woocommerce.client import Answer, Client, _retry_after
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.models import Push, SyncState
from crm.work import drain
from postpurchase.demo import server
from postpurchase.demo.faults import Trouble
from postpurchase.demo.web import Response


def store_with_keys(demo):
    return Store(url=demo.url, consumer_key=demo.key, consumer_secret=demo.secret, insecure=True)


def refused(demo):
    return [row for row in demo.shop.requests if row["status"] == 401]


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [3, -3])
def test_a_shop_hours_off_over_plain_http_is_connected_read_and_written_to(capsys, hours):
    shop = server.small_shop(now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    order = next(iter(shop.rows["orders"]))

    with server.running(shop) as demo:
        call_command(
            "connect_store", demo.url, "--key", demo.key, "--secret", demo.secret, "--insecure", "--no-webhooks"
        )
        store = Store.objects.get()
        demo.shop.requests.clear()
        sync.run(store)
        once_for_the_run = len(refused(demo))
        push.queue(store, "order_note", "late", {"order": order, "note": "Comes on Monday"})
        drain.drain_all()

    assert Order.objects.filter(store=store, woo_id=order).exists()
    assert once_for_the_run == 1
    assert Push.objects.get().state == "done"
    assert [note["note"] for note in shop.rows["notes"].values()].count("Comes on Monday") == 1


@pytest.mark.parametrize("status", [503, 429, 403])
def test_a_time_is_the_shops_only_once_the_shop_has_taken_it(status):
    """What another reader signs meanwhile, or what follows, must not go by a date that a proxy has written."""
    answers = [Response(401, b"{}", []), Response(status, b"{}", [])]
    with server.running(server.small_shop()) as demo:
        demo.date_ahead = timedelta(hours=3)
        demo.faults.append(lambda request, response: answers.pop(0) if answers else None)
        with Client(store_with_keys(demo)) as client:
            with pytest.raises(WooCommerceError) as caught:
                client.post("products", {"name": "Tea"})
            before = client.ahead
            client.get("products")

        assert (caught.value.status, before, client.ahead) == (status, timedelta(), timedelta())
        assert [row["status"] for row in demo.shop.requests][-1] == 200


@pytest.mark.django_db
def test_a_shop_whose_clock_is_right_is_asked_once_for_each_thing(demo, shop_store):
    with Client(shop_store) as client:
        client.get("orders")

    assert [row["status"] for row in demo.shop.requests] == [200]


@pytest.mark.parametrize("hours", [0, 1, -1])
@pytest.mark.parametrize("is_date", [True, False], ids=["a date", "seconds"])
def test_a_shop_that_asks_to_be_left_alone_is_waited_for_by_its_own_clock(hours, is_date):
    clock = [datetime.now(UTC) + timedelta(hours=hours)]
    trouble = Trouble(1)
    trouble.shop = shop = server.small_shop(now=lambda: clock[0])
    header = trouble.asks_to_wait(20, as_date=is_date)
    busy = [Response(429, b"{}", [header])]
    waits = []

    with server.running(shop) as demo:
        demo.faults.append(lambda request, response: busy.pop() if response.status == 200 and busy else None)
        with Client(store_with_keys(demo), sleep=waits.append) as client:
            rows = client.get("products")

    assert rows
    assert waits == [20]


def test_a_run_goes_on_after_the_wait_a_shop_an_hour_ahead_asks_for(shop_store_at):
    demo, store, _clock = shop_store_at(hours=1)
    busy = [demo.shop.now() + timedelta(seconds=2)]
    demo.faults.append(
        lambda request, response: (
            Response(429, b"{}", [("Retry-After", format_datetime(busy.pop(), usegmt=True))])
            if response.status == 200 and request.path.endswith("/orders") and busy
            else None
        )
    )

    result = sync.run(store, client=Client(store, sleep=lambda seconds: None))

    assert result.is_finished and Order.objects.filter(store=store).exists() and not busy


@pytest.mark.parametrize("hours", [5, -5, 0])
def test_polls_see_what_changes_though_the_answers_are_dated_by_another_clock(shop_store_at, monkeypatch, hours):
    """A proxy's, say: what a poll asks for goes by the stamps, and what was read long ago is not read with each poll."""
    demo, store, clock = shop_store_at()
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock[0])
    demo.date_ahead = timedelta(hours=hours)
    sync.run(store)
    order = next(row["id"] for row in demo.shop.rows["orders"].values() if row["status"] == "processing")
    for status in ("completed", "cancelled", "processing"):
        for _ in range(3):
            clock[0] += timedelta(minutes=5)
            sync.run(store)
        demo.shop.update_order(order, status=status)
        clock[0] += timedelta(minutes=5)

        sync.run(store)

        assert Order.objects.get(woo_id=order).status == status
    clock[0] += timedelta(hours=3)
    for _ in range(2):
        sync.run(store)

    assert SyncState.objects.get(resource="orders").read == 0 or hours < 0


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0100 00:00:00 GMT", "Mon, 23 Nov 2026 04:00:00 +99999999999999"],
)
def test_a_date_that_no_clock_shows_is_none(date):
    assert Answer(None, {"Date": date}).date is None
    assert _retry_after({"Retry-After": date}) is None
