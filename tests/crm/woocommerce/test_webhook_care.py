import html
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django_q.models import OrmQ

from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders.models import Order
from crm.woocommerce import incidents, locks, sync, tasks, webhook_care
from crm.woocommerce.models import Incident, ShopWebhook
from crm.work import drain
from postpurchase.demo.web import Response
from tests.factories import NOW, make_delivery, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def cared(demo, shop_store):
    """A store whose webhooks have been made."""
    webhook_care.repair(shop_store)
    sync.run(shop_store)
    return shop_store


def hook(demo, topic):
    return next(row for row in demo.shop.rows["webhooks"].values() if row["topic"] == topic)


def test_what_was_found_is_kept_so_that_no_page_asks(demo, cared):
    rows = ShopWebhook.objects.for_store(cared)

    assert set(rows.values_list("topic", flat=True)) == set(webhook_care.TOPICS)
    assert set(rows.values_list("status", flat=True)) == {"active"}
    assert rows.get(topic="order.updated").woo_id == hook(demo, "order.updated")["id"]
    # Made for the first time: nothing was wrong.
    assert not Incident.objects.exists() and not Event.objects.filter(type="webhooks.repaired").exists()


def test_a_webhook_that_the_shop_switched_off_is_made_anew_the_gap_filled_and_the_owners_told_once(demo, cared):
    owner, other = make_staff(cared), make_staff(cared)
    make_staff(cared, "agent")
    for topic in ("order.created", "order.updated"):
        hook(demo, topic)["status"] = "disabled"
    # While it is off, an order comes that no webhook tells of.
    product = next(row["id"] for row in demo.shop.rows["products"].values() if row["type"] == "simple")
    missed = demo.shop.place_order(email="asha@mail.example", lines=[(product, 1)])["id"]
    before = hook(demo, "order.updated")["id"]

    tasks.repair_webhooks(cared.pk)
    hook(demo, "order.updated")["status"] = "disabled"
    tasks.repair_webhooks(cared.pk)

    row = ShopWebhook.objects.get(store=cared, topic="order.updated")
    assert row.status == "active" and row.repaired_at and row.problem.startswith("switched off")
    assert row.woo_id == hook(demo, "order.updated")["id"] != before
    sync_task = next(task for task in OrmQ.objects.all() if "sync_store" in task.func())
    tasks.sync_store(*sync_task.task["args"])
    assert Order.objects.filter(store=cared, woo_id=missed).exists()
    assert Event.objects.filter(store=cared, type="webhooks.repaired").count() == 1
    drain.drain_all()
    mails = Message.objects.filter(kind="shop-trouble")
    assert {mail.recipient for mail in mails} == {owner.email, other.email} and len(mails) == 2
    assert mails[0].outcome == "sent" and "webhooks were repaired" in mails[0].subject
    assert "2 × switched off by the shop" in mails[0].text
    assert f"/admin/woocommerce/connection/{cared.pk}/change/" in mails[0].text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": "paused"}, "paused"),
        ({"delivery_url": "https://old.example/webhooks/woocommerce/{}/"}, "led to another address"),
        (None, "missing"),
    ],
)
def test_what_somebody_changed_in_the_shop_is_put_right(demo, cared, change, problem):
    row = hook(demo, "product.updated")
    if change is None:
        del demo.shop.rows["webhooks"][row["id"]]
    else:
        row |= {name: value.format(cared.public_id) for name, value in change.items()}

    care = webhook_care.repair(cared)

    assert care.problems == {"product.updated": problem}
    row = hook(demo, "product.updated")
    assert (row["status"], row["delivery_url"]) == ("active", webhook_care.address(cared))
    assert Incident.objects.get().kind == "webhooks"


def test_an_incident_is_over_after_a_quiet_day_and_the_next_is_told_again(cared):
    at = datetime.now(UTC)
    first = incidents.webhooks_repaired(cared, "off", at)
    assert incidents.webhooks_repaired(cared, "off", at + timedelta(hours=23)) == first
    incidents.webhooks_are_well(cared, at + timedelta(hours=24))
    assert Incident.objects.open().count() == 1

    incidents.webhooks_are_well(cared, at + timedelta(hours=48))
    incidents.webhooks_repaired(cared, "off", at + timedelta(hours=49))

    assert Event.objects.filter(type="webhooks.repaired").count() == 2


def test_a_shop_that_does_not_answer_is_told_of_after_an_hour_only(store):
    for minutes in (0, 30, 59):
        incidents.sync_failed(store, "no answer", NOW + timedelta(minutes=minutes), permanent=False)
    assert not Event.objects.exists()

    for minutes in (61, 70):
        incidents.sync_failed(store, "no answer", NOW + timedelta(minutes=minutes), permanent=False)
    incidents.sync_worked(store, NOW + timedelta(minutes=80))

    assert list(Event.objects.order_by("pk").values_list("type", flat=True)) == ["sync.failed", "sync.recovered"]


def test_what_only_people_can_mend_is_told_at_once(demo, cared):
    superuser = make_staff(is_superuser=True)
    demo.faults.append(
        lambda request, response: Response(401, b'{"code":"x","message":"Consumer key is invalid."}', [])
    )

    tasks.sync_store(cared.pk, "changes")
    tasks.sync_store(cared.pk, "changes")

    assert Event.objects.filter(type="sync.failed").count() == 1
    drain.drain_all()
    # The store has no owner.
    assert [mail.recipient for mail in Message.objects.filter(kind="shop-trouble")] == [superuser.email]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_make_the_first_webhooks_at_once_leave_one_secret(demo, shop_store):
    type(shop_store).objects.filter(pk=shop_store.pk).update(webhook_secret="")
    stores = [type(shop_store).objects.get(pk=shop_store.pk) for _ in range(2)]
    together = threading.Barrier(2)
    busy = []

    def work(store):
        together.wait()
        try:
            webhook_care.repair(store)
        except locks.Busy:
            busy.append(store)
        connection.close()

    workers = [threading.Thread(target=work, args=[store]) for store in stores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # Whoever had read the store before does not make another secret either.
    for store in busy:
        webhook_care.repair(store)

    shop_store.refresh_from_db()
    hooks = [row for row in demo.shop.rows["webhooks"].values() if str(shop_store.public_id) in row["delivery_url"]]
    assert len(hooks) == len(webhook_care.TOPICS)
    assert {row["secret"] for row in hooks} == {shop_store.webhook_secret}


def test_a_first_time_that_was_cut_short_is_gone_on_with_though_the_shop_keeps_hooks_of_another_secret(
    demo, shop_store
):
    webhook_care.repair(shop_store)
    # As an earlier connection left them, and a process that died when it had made a new secret.
    ShopWebhook.objects.all().delete()
    for row in demo.shop.rows["webhooks"].values():
        row["secret"] = "of an earlier connection"

    webhook_care.repair(shop_store)

    assert {row["secret"] for row in demo.shop.rows["webhooks"].values()} == {shop_store.webhook_secret}
    assert not Incident.objects.exists()


def test_keys_that_may_only_read_are_found_by_the_comparison_and_told_once(client, demo, cared):
    owner = make_staff(cared)
    client.force_login(owner)
    demo.shop.keys["ck_demo"]["permissions"] = "read"
    for _ in range(2):
        result = sync.run(cared, mode="compare")
        assert result.is_finished and "give the key Read/Write" in str(result.errors[0])

    drain.drain_all()
    page = client.get(f"/admin/woocommerce/connection/{cared.pk}/change/").content.decode()
    assert f"{cared.name}: nothing can be written into the shop" in html.unescape(page)
    (mail,) = Message.objects.filter(kind="shop-trouble")
    assert mail.recipient == owner.email and "nothing can be written" in mail.subject and "Read/Write" in mail.text
    demo.shop.keys["ck_demo"]["permissions"] = "read_write"
    assert not sync.run(cared, mode="compare").errors
    assert Incident.objects.get(kind="writes").closed_at


def test_webhooks_that_wordpress_would_not_send_are_left_alone_until_one_arrives_all_the_same(cared, settings):
    cared.insecure = False
    cared.save(update_fields=["insecure"])
    settings.SITE_URL = "https://crm.shop.example:8443"

    tasks.look_after_webhooks()
    assert not OrmQ.objects.exists()

    make_delivery(cared)
    tasks.look_after_webhooks()
    assert [task.task["args"] for task in OrmQ.objects.all()] == [(cared.pk,)]
