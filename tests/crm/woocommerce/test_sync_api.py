from decimal import Decimal

import pytest
from django_q.models import OrmQ

from crm.orders.models import Order
from crm.woocommerce import sync, tasks, webhook_care
from crm.woocommerce.models import Drift, KeptAside, SyncRun, WebhookDelivery
from crm.woocommerce.saving import save_orders
from crm.work import drain
from tests.factories import NOW, make_delivery, make_store

from .payloads import order

pytestmark = pytest.mark.django_db
URL = "/api/v1/sync/"


def test_the_state_of_the_mirror_is_read_in_one_answer(api_client, demo, shop_store):
    webhook_care.repair(shop_store)
    sync.run(shop_store)
    Order.objects.filter(store=shop_store).first().delete()
    sync.run(shop_store, mode="compare")

    answer = api_client(shop_store).get(URL).json()

    assert answer["lag_seconds"] < 60 and answer["halted"] == "" and answer["timezone"] == "Asia/Kolkata"
    assert [run["mode"] for run in answer["runs"]] == ["compare", "full"]
    assert {state["resource"] for state in answer["states"]} >= {"orders", "customers", "products"}
    assert next(drift for drift in answer["drift"] if drift["resource"] == "orders")["missing"] == 1
    (day,) = answer["order_days"]
    assert day["in_shop"] == day["in_mirror"] + 1 and Decimal(day["shop_total"]) > Decimal(day["mirror_total"])
    assert {hook["status"] for hook in answer["webhooks"]} == {"active"}
    assert (answer["kept_aside"], answer["incidents"], answer["webhooks_arrive"]) == (0, [], False)
    assert answer["can_be_called"] == webhook_care.is_reachable(shop_store) and answer["last_delivery"] is None
    assert answer["newest_order"]["number"] == Order.objects.filter(store=shop_store).latest("date_created_gmt").number
    assert answer["last_run"] == answer["runs"][0]
    assert all({"order_seconds", "orders_per_second"} <= run.keys() for run in answer["runs"])
    # A day that differed stays on record when it does no more.
    sync.run(shop_store, mode="compare")
    assert api_client(shop_store).get(URL).json()["order_days"] == [day]


def test_what_the_page_says_first_is_in_the_answer_too(api):
    run = {"store": api.store, "outcome": "done", "started_at": NOW, "seconds": 90}
    SyncRun.objects.create(**run, mode="full", finished_at=NOW, written=1, orders=500, order_seconds=4)
    quiet = SyncRun.objects.create(**run, mode="changes", finished_at=NOW, orders=3, order_seconds=1)
    delivery = make_delivery(api.store, order(7), state="done", settled_at=NOW)

    answer = api.get(URL).json()

    # The speed of orders alone, and nothing where too few were read to say.
    assert [run["orders_per_second"] for run in answer["runs"]] == [125]
    assert [run["orders_per_second"] for run in api.get(f"{URL}runs/").json()["results"]] == [None, 125]
    assert (answer["last_run"]["id"], answer["last_run"]["orders_per_second"]) == (quiet.pk, None)
    assert (answer["last_delivery"]["id"], answer["last_delivery"]["topic"]) == (delivery.pk, "order.updated")
    assert answer["can_be_called"] and answer["newest_order"] is None


def test_a_store_that_was_never_read_has_no_lag(api):
    assert api.get(URL).json()["lag_seconds"] is None


def test_the_state_costs_the_same_for_a_lot(api, django_assert_max_num_queries):
    for number in range(30):
        make_delivery(api.store, order(number))
        Drift.objects.create(store=api.store, resource="orders", started_at=NOW.replace(minute=number), day=NOW.date())

    with django_assert_max_num_queries(21):
        api.get(URL)


def test_a_sync_is_asked_for_once(api):
    first = api.post(f"{URL}runs/", {"mode": "compare"})
    again = api.post(f"{URL}runs/", {"mode": "compare"}, headers={"Idempotency-Key": "a"})
    replayed = api.post(f"{URL}runs/", {"mode": "compare"}, headers={"Idempotency-Key": "a"})

    assert first.status_code == again.status_code == replayed.status_code == 202
    assert first.json()["id"] == again.json()["id"] == replayed.json()["id"]
    assert first.json()["outcome"] == "waiting"
    assert {task.task["args"] for task in OrmQ.objects.all()} == {(api.store.pk, "compare")}
    assert api.get(f"{URL}runs/?outcome=waiting").json()["results"][0]["mode"] == "compare"
    assert api.get(f"{URL}runs/{first.json()['id']}/").json()["mode"] == "compare"


def test_what_is_no_mode_is_refused(api):
    answer = api.post(f"{URL}runs/", {"mode": "everything"})

    assert answer.status_code == 400 and answer.json()["errors"][0]["attr"] == "mode"
    assert not SyncRun.objects.exists()


def test_a_delivery_is_found_and_applied_again(api):
    delivery = make_delivery(api.store, order(7), state="done", settled_at=NOW, attempts=1)
    make_delivery(make_store(), order(8))

    (row,) = api.get("/api/v1/webhook-deliveries/?topic=order.updated&state=done").json()["results"]
    assert row["id"] == delivery.pk and "body" not in row
    answers = [api.post(f"/api/v1/webhook-deliveries/{delivery.pk}/replay/") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["queued"] for answer in answers] == [True, False]
    drain.drain(WebhookDelivery)
    assert Order.objects.filter(store=api.store).get().woo_id == 7


def test_what_was_kept_aside_is_read_and_tried_again(api):
    save_orders(api.store, [order(1, total="NaN")], NOW)
    kept = KeptAside.objects.get()
    (row,) = api.get("/api/v1/kept-aside/?resolved=false").json()["results"]
    assert "payload" not in row and "NaN" in row["error"]
    assert "NaN" in api.get(f"/api/v1/kept-aside/{kept.pk}/").json()["payload"]

    assert api.post(f"/api/v1/kept-aside/{kept.pk}/retry/").json()["resolved_at"] is None
    assert api.post(f"/api/v1/kept-aside/{kept.pk}/dismiss/").json()["resolved_at"]
    KeptAside.objects.update(resolved_at=None)
    KeptAside.objects.filter(pk=kept.pk).update(payload=kept.payload.replace('"NaN"', '"5.00"'))
    assert api.post(f"/api/v1/kept-aside/{kept.pk}/retry/").json()["resolved_at"]

    assert api.get("/api/v1/kept-aside/?resolved=false").json()["results"] == []


def test_to_read_is_not_to_ask_for_more(api_client, store):
    reader = api_client(store, scopes=["sync:read"])

    assert reader.get(URL).status_code == 200
    assert reader.post(f"{URL}runs/", {"mode": "full"}).status_code == 403


def test_the_webhooks_are_looked_after_when_asked(api):
    assert api.post(f"{URL}webhooks/repair/").status_code == 202

    assert [task.task["args"] for task in OrmQ.objects.all()] == [(api.store.pk,)]


def test_the_whole_of_what_was_kept_aside_is_for_keys_that_may_read_orders(api_client, store):
    save_orders(store, [order(1, total="NaN")], NOW)
    kept = KeptAside.objects.get()
    reader, both = api_client(store, scopes=["sync:read"]), api_client(store, scopes=["sync:read", "orders:read"])

    assert reader.get("/api/v1/kept-aside/").json()["results"][0]["id"] == kept.pk
    answer = reader.get(f"/api/v1/kept-aside/{kept.pk}/")
    assert answer.status_code == 403 and "orders:read" in answer.json()["errors"][0]["detail"]
    assert "payload" in both.get(f"/api/v1/kept-aside/{kept.pk}/").json()


def test_the_connection_is_checked_when_asked(api_client, demo, shop_store):
    api = api_client(shop_store)
    (shown,) = api.get("/api/v1/connections/").json()["results"]
    assert (shown["id"], shown["check"], shown["halted"]) == (shop_store.pk, None, "")

    asked = api.post(f"/api/v1/connections/{shop_store.pk}/check/")

    assert asked.status_code == 202 and asked.json()["check"]["asked_at"] and not asked.json()["check"]["checked_at"]
    (task,) = OrmQ.objects.all()
    assert task.func() == "crm.woocommerce.tasks.check_connection"
    tasks.check_connection(*task.task["args"])
    found = api.get(f"/api/v1/connections/{shop_store.pk}/").json()["check"]
    assert found["is_ok"] and "may read and write" in found["message"]
    assert api.post(f"/api/v1/connections/{make_store().pk}/check/").status_code == 404
