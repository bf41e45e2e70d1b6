"""Shops whose clocks are wrong: they are read, written to and left alone all the same."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce import push, sync
from crm.woocommerce.client import Client
from crm.woocommerce.models import Push
from crm.work import drain
from postpurchase.demo import server


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


@pytest.mark.django_db
def test_a_shop_whose_clock_is_right_is_asked_once_for_each_thing(demo, shop_store):
    with Client(shop_store) as client:
        client.get("orders")

    assert [row["status"] for row in demo.shop.requests] == [200]
