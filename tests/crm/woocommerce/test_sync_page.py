from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from crm.orders.models import Order
from crm.stores.models import Membership, Store
from crm.woocommerce import identity, sync, tasks, webhook_care
from crm.woocommerce.models import (
    Drift,
    Incident,
    KeptAside,
    OrderDay,
    ShopWebhook,
    SyncRun,
    SyncState,
    WebhookDelivery,
)
from crm.woocommerce.saving import save_orders
from crm.work import drain
from tests.factories import NOW, make_delivery, make_staff, make_store

from .payloads import order

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client, store):
    client.force_login(make_staff(store))
    return client


def address(store):
    return f"/admin/woocommerce/connection/{store.pk}/change/"


def text(client, store):
    response = client.get(address(store))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def press(client, store, do, **more):
    return client.post(f"/admin/woocommerce/connection/{store.pk}/do/", {"do": do, **more}, follow=True)


def make_run(store, **fields):
    defaults = {"mode": "changes", "outcome": "done", "started_at": NOW, "finished_at": NOW, "written": 1}
    return SyncRun.objects.create(store=store, **defaults | fields)


def test_a_store_of_which_nothing_is_known_says_what_to_do(owner, store):
    page = text(owner, store)

    for words in (
        "No import has ended yet", "Nothing was read yet", "No run has found anything yet", "Nothing was compared yet",
        "There are none of ours in the shop", "Nothing: all that the shop gave is mirrored", "None has arrived",
        "All times are in the shop's time zone, Asia/Kolkata",
    ):  # fmt: skip
        assert words in page, words


def test_the_page_shows_a_real_import_and_a_comparison(client, demo, shop_store):
    client.force_login(make_staff(shop_store))
    webhook_care.repair(shop_store)
    sync.run(shop_store)
    Order.objects.filter(store=shop_store).first().delete()
    demo.shop.requests.clear()
    sync.run(shop_store, mode="compare")
    before = len(demo.shop.requests)

    page = text(client, shop_store)

    assert len(demo.shop.requests) == before  # no page asks the shop
    assert "Everything" in page and "Comparison with the shop" in page
    assert "1 differed, 1 put right" in page and "most on one day: 1" in page
    assert page.count("Active") == len(webhook_care.TOPICS)
    assert "none has ever arrived" in page
    assert shop_store.consumer_secret not in page and shop_store.webhook_secret not in page


def test_a_run_that_goes_on_shows_how_far_it_is_and_the_page_looks_again(owner, store):
    run = make_run(store, mode="full", outcome="running", finished_at=None, seen_at=timezone.now(), read=1234)
    SyncState.objects.create(
        store=store, resource="orders", mode="full", started_at=NOW, page=5, offset=500, total=2000, read=500
    )

    page = text(owner, store)
    assert "is on its way" in page and "1,234 read" in page and "500 / 2,000" in page and 'aria-label="25 %"' in page
    assert "hx-get" in page
    SyncRun.objects.filter(pk=run.pk).update(seen_at=timezone.now() - timedelta(minutes=5))
    assert "stands still and goes on with the next poll" in text(owner, store)


def test_a_quiet_page_does_not_look_again(owner, store):
    make_run(store)

    assert 'id="sync" hx-get' not in text(owner, store)


@pytest.mark.parametrize(
    ("do", "mode"), [("sync", "changes"), ("compare", "compare"), ("import", "full"), ("accept", "compare")]
)
def test_a_button_asks_for_a_run_that_shows_as_waiting(owner, store, do, mode):
    page = press(owner, store, do).content.decode()

    assert [task.task["args"] for task in OrmQ.objects.all()] == [(store.pk, mode)]
    assert SyncRun.objects.get().mode == mode and "waits for a worker" in page


@pytest.mark.parametrize(("do", "function"), [("check", "check_connection"), ("repair", "repair_webhooks")])
def test_the_other_buttons_ask_a_worker_too(owner, store, do, function):
    press(owner, store, do)

    assert [task.func() for task in OrmQ.objects.all()] == [f"crm.woocommerce.tasks.{function}"]


def test_a_delivery_is_applied_again(owner, store):
    delivery = make_delivery(store, order(7), state="done", settled_at=NOW, attempts=1)
    foreign = make_delivery(make_store(), order(8), state="done", settled_at=NOW, attempts=1)

    press(owner, store, "replay", row=delivery.pk)
    press(owner, store, "replay", row=foreign.pk)

    assert WebhookDelivery.objects.count() == 3
    drain.drain(WebhookDelivery)
    assert Order.objects.get().woo_id == 7


def test_all_deliveries_are_applied_again_at_once(owner, store, django_assert_max_num_queries):
    for number in range(30):
        make_delivery(store, order(number + 1), state="done", settled_at=NOW, attempts=1)
    make_delivery(make_store(), order(31), state="done", settled_at=NOW, attempts=1)
    chosen = {"action": "replay_selected", "select_across": 1, "_selected_action": WebhookDelivery.objects.first().pk}
    page = "/admin/woocommerce/webhookdelivery/"

    # Not one for each, and no body passes through this process.
    with django_assert_max_num_queries(20) as queries:
        owner.post(page, chosen)
    again = owner.post(page, chosen, follow=True).content.decode()

    assert not any('"body"' in query["sql"] for query in queries)
    # Those that wait are not kept once more.
    assert "0 deliveries are applied again." in again
    assert WebhookDelivery.objects.filter(store=store).count() == 60
    drain.drain(WebhookDelivery)
    assert Order.objects.count() == 30


def test_a_replay_never_brings_back_an_older_version(owner, store):
    old = make_delivery(store, order(7, status="pending", date_modified_gmt="2026-01-01T00:00:00"))
    drain.drain(WebhookDelivery, NOW)
    save_orders(store, [order(7, status="completed", date_modified_gmt="2026-01-02T00:00:00")], NOW)

    for _ in range(2):
        press(owner, store, "replay", row=old.pk)
        drain.drain(WebhookDelivery)

    assert Order.objects.get().status == "completed"


def test_what_was_kept_aside_shows_its_error_and_is_tried_again(owner, store):
    save_orders(store, [order(1, total="NaN"), order(2, total="NaN")], NOW)
    assert "2 objects of the shop can't be mirrored" in text(owner, store) and "NaN" in text(owner, store)
    mended = KeptAside.objects.get(woo_id="1")
    KeptAside.objects.filter(pk=mended.pk).update(payload=mended.payload.replace('"NaN"', '"5.00"'))

    page = press(owner, store, "retry", row=mended.pk).content.decode()

    assert "1 object is mirrored now." in page
    assert "1 object of the shop can't be mirrored" in text(owner, store)


def test_what_can_never_be_mirrored_is_dismissed_and_comes_back_when_the_shop_sends_it_changed(owner, store):
    save_orders(store, [order(1, total="NaN")], NOW)

    for _ in range(2):
        page = press(owner, store, "dismiss", row=KeptAside.objects.get().pk).content.decode()
        assert "can't be mirrored" not in text(owner, store)

    assert "0 objects are dismissed." in page
    save_orders(store, [order(1, total="NaN")], NOW)
    assert "can't be mirrored" not in text(owner, store)
    save_orders(store, [order(1, total="Infinity")], NOW)
    assert "1 object of the shop can't be mirrored" in text(owner, store)


def test_a_shop_that_is_in_doubt_stops_in_red_and_an_owner_may_accept_it(owner, store):
    identity.remember(store, identity.Word("https://shop.example"), NOW)
    identity.halt(store, "It is a copy.")
    Incident.objects.create(store=store, kind="sync", message="It is a copy.", opened_at=NOW, last_seen_at=NOW)

    page = text(owner, store)
    assert "Stopped: this does not seem to be the right shop" in page and page.count("It is a copy.") == 1
    press(owner, store, "accept")

    assert not Store.objects.get(pk=store.pk).halted and not identity.is_known(store)


def test_trouble_and_switched_off_webhooks_are_told(owner, store):
    Incident.objects.create(
        store=store, kind="sync", message="The shop sleeps.", opened_at=NOW, last_seen_at=NOW, told_at=NOW
    )
    ShopWebhook.objects.create(store=store, topic="order.updated", status="disabled", checked_at=NOW)

    page = text(owner, store)

    assert "The shop sleeps." in page and "The owners were told on 15 June 2026, 17:30" in page
    assert 'class="jobs-bad">Switched off by the shop' in page


def test_a_server_that_the_shop_cant_call_is_told_plainly(owner, store, settings):
    for address in (
        "http://localhost:8000",
        "https://192.168.1.7",
        "https://crm.lan",
        "https://crm",
        "https://crm.shop.example:8443",
    ):
        settings.SITE_URL = address
        assert "can't call this server" in text(owner, store), address
    settings.SITE_URL = "https://crm.shop.example:8080"
    assert "can't call this server" not in text(owner, store)


@pytest.mark.parametrize("role", [Membership.Role.AGENT, Membership.Role.VIEWER])
def test_only_owners_press_its_buttons(client, store, role):
    client.force_login(make_staff(store, role))

    assert press(client, store, "sync").status_code == 404
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("do", ["view", "_each", "", "delete"])
def test_there_are_no_other_buttons(owner, store, do):
    assert press(owner, store, do).status_code == 404


def test_the_page_costs_the_same_for_a_lot(owner, store, django_assert_max_num_queries):
    save_orders(store, [order(number, total="NaN") for number in range(1, 40)], NOW)
    for number in range(40):
        make_delivery(store, order(number))
        make_run(store)
        Drift.objects.create(
            store=store,
            resource="orders",
            started_at=NOW - timedelta(days=number),
            day=timezone.now().date(),
            missing=1,
        )
        OrderDay.objects.create(
            store=store, day=NOW.date() - timedelta(days=number), compared_at=timezone.now(), in_shop=2, in_mirror=1,
            shop_total=Decimal("1500.50"), mirror_total=750,
        )  # fmt: skip
    assert "₹1,500.50" in text(owner, store)

    with django_assert_max_num_queries(27):
        text(owner, store)


def test_more_than_are_tried_at_once_are_tried_in_turn(owner, store):
    KeptAside.objects.bulk_create(
        KeptAside(store=store, resource="orders", woo_id=n, payload=f'{{"id": {n}, "total": "NaN"}}', error="?")
        for n in range(1, 501)
    )
    # By then this version of the program knows better.
    save_orders(store, [order(501, total="NaN")], timezone.now())
    last = KeptAside.objects.get(woo_id="501")
    KeptAside.objects.filter(pk=last.pk).update(payload=last.payload.replace('"NaN"', '"5.00"'))

    first, second = (press(owner, store, "retry").content.decode() for _ in range(2))

    assert "0 objects are mirrored now. 501 objects stay aside. 1 was not tried" in first
    assert "1 object is mirrored now. 500 objects stay aside. 1 was not tried" in second
    assert Order.objects.get(store=store).woo_id == 501


def test_a_server_that_can_be_reached_later_says_how_its_shop_gets_webhooks_and_makes_them(
    client, demo, shop_store, settings
):
    client.force_login(make_staff(shop_store))
    ours = settings.SITE_URL
    Store.objects.update(insecure=False)
    settings.SITE_URL = "http://localhost"
    assert "can't call this server" in text(client, shop_store)
    settings.SITE_URL = "https://crm.shop.example"

    page = text(client, shop_store)
    Store.objects.update(insecure=True)
    settings.SITE_URL = ours
    press(client, shop_store, "repair")
    [task] = OrmQ.objects.all()
    tasks.repair_webhooks(*task.task["args"])

    assert "this server can be reached by now, press “Repair”" in page
    assert {row["delivery_url"] for row in demo.shop.rows["webhooks"].values()} == {webhook_care.address(shop_store)}
    assert "press “Repair”" not in text(client, shop_store)
