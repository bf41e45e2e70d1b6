import pytest
from django_q.models import OrmQ

from crm.events.models import Event
from crm.orders.models import Order
from crm.stores.models import Membership
from crm.woocommerce import connect, tasks, webhook_care
from crm.woocommerce.models import ConnectionCheck, KeptAside, SyncState
from crm.woocommerce.saving import save_orders
from tests.factories import NOW, make_staff, make_store

from .payloads import order

pytestmark = pytest.mark.django_db
PAGE = "/admin/woocommerce/connection/"


def do(client, page, action, *rows):
    return client.post(page, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)


@pytest.fixture
def owner(client, shop_store):
    client.force_login(make_staff(shop_store))
    return client


def test_an_owner_has_the_connection_checked_by_a_worker(owner, demo, shop_store):
    demo.shop.requests.clear()

    page = do(owner, PAGE, "check_connection", shop_store)

    assert "is being checked" in page.content.decode()
    assert not demo.shop.requests  # not by the page
    assert [task.func() for task in OrmQ.objects.all()] == ["crm.woocommerce.tasks.check_connection"]
    tasks.check_connection(shop_store.pk)
    assert "works" in owner.get(PAGE).content.decode()
    assert "the keys may read and write" in owner.get(f"{PAGE}{shop_store.pk}/change/").content.decode()


def test_a_store_that_was_entered_by_hand_is_connected_by_its_first_check(demo):
    store = make_store(
        url=demo.url, consumer_key="ck_demo", consumer_secret="cs_demo", insecure=True, connected_at=None
    )

    tasks.check_connection(store.pk)

    store.refresh_from_db()
    assert store.connected_at and store.connection_check.is_ok
    ours = [row for row in demo.shop.rows["webhooks"].values() if str(store.public_id) in row["delivery_url"]]
    assert len(ours) == len(webhook_care.TOPICS)
    assert Event.objects.filter(store=store, type="store.connected").exists()


def test_what_is_set_while_the_shop_is_asked_stays(demo, shop_store):
    findings = connect.check(shop_store)
    type(shop_store).objects.filter(pk=shop_store.pk).update(brand_color="#123456", consumer_key="ck_new")

    connect.keep(shop_store, findings)

    shop_store.refresh_from_db()
    assert (shop_store.brand_color, shop_store.consumer_key) == ("#123456", "ck_new")


@pytest.mark.parametrize(("action", "mode"), [("sync_now", "changes"), ("compare_now", "compare")])
def test_an_owner_has_the_store_synced(owner, shop_store, action, mode):
    do(owner, PAGE, action, shop_store)

    (task,) = OrmQ.objects.all()
    assert task.task["args"] == (shop_store.pk, mode)
    tasks.sync_store(*task.task["args"])
    assert Order.objects.filter(store=shop_store).exists()
    page = owner.get(f"{PAGE}{shop_store.pk}/change/").content.decode()
    assert "Trashed orders" in page and "cs_demo" not in page and "ck_demo" not in page


@pytest.mark.parametrize("role", [Membership.Role.AGENT, Membership.Role.VIEWER])
def test_others_of_the_staff_do_not_see_it(client, shop_store, role):
    client.force_login(make_staff(shop_store, role))

    for page in ("connection", "syncstate", "keptaside"):
        assert client.get(f"/admin/woocommerce/{page}/").status_code == 403


def test_an_owner_sees_and_syncs_no_other_store(owner):
    other = make_store(name="Somebody else's")

    assert "Somebody else" not in owner.get(PAGE).content.decode()
    do(owner, PAGE, "sync_now", other)
    assert not OrmQ.objects.exists()


def test_what_was_kept_aside_is_tried_again(owner, shop_store):
    save_orders(shop_store, [order(1, total="NaN"), order(2, total="NaN")], NOW)
    mended, broken = KeptAside.objects.order_by("woo_id")
    KeptAside.objects.filter(pk=mended.pk).update(payload=mended.payload.replace('"NaN"', '"5.00"'))

    page = do(owner, "/admin/woocommerce/keptaside/", "retry_selected", mended, broken).content.decode()

    assert "1 object is mirrored now." in page and "1 object stays aside." in page
    assert list(Order.objects.values_list("woo_id", flat=True)) == [1]


def test_lists_cost_the_same_for_many_rows(owner, shop_store, django_assert_max_num_queries):
    SyncState.objects.create(store=shop_store, resource="orders", error="The shop sleeps")
    ConnectionCheck.objects.create(store=shop_store, checked_at=NOW, is_ok=False, message="no")
    for _ in range(5):
        owner_of = make_store()
        make_staff(owner_of)

    with django_assert_max_num_queries(16):
        assert "The shop sleeps" in owner.get(PAGE).content.decode()
    assert owner.get("/admin/woocommerce/syncstate/").status_code == 200


def test_the_clock_polls_connected_stores_only(shop_store):
    make_store(consumer_key="")

    tasks.poll()

    assert [task.task["args"] for task in OrmQ.objects.all()] == [(shop_store.pk, "changes")]


def test_a_shop_that_is_down_leaves_a_word_on_its_walks(shop_store):
    shop_store.url = "https://127.0.0.1"
    shop_store.insecure = False
    shop_store.save()

    tasks.sync_store(shop_store.pk, "changes")

    assert "inside a private network" in SyncState.objects.filter(store=shop_store).exclude(error="").first().error
