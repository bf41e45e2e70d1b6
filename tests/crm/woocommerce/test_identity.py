from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from crm.events.models import Event
from crm.orders.models import Order, Product
from crm.stores.models import Store
from crm.woocommerce import connect, identity, sync
from crm.woocommerce.client import Client
from crm.woocommerce.errors import WooCommerceError, WrongShop
from crm.woocommerce.models import Incident, Reread, ShopIdentity, SyncRun, WebhookDelivery
from crm.work import drain
from postpurchase.demo import server
from postpurchase.demo.shop import Shop
from postpurchase.demo.web import json_response
from tests.factories import NOW, make_delivery, make_order, make_staff, make_store

from .conftest import store_of
from .payloads import order

pytestmark = pytest.mark.django_db


def lately():
    """Another second than that in which the shop itself sells: its order keys come from the time."""
    return datetime.now(UTC) - timedelta(minutes=1)


def shop_of_a_year(seed=7, **settings):
    return server.year_shop(seed, customers=5, orders=14, now=lambda: datetime.now(UTC), **settings)


@pytest.fixture
def demo():
    with server.running(shop_of_a_year()) as demo:
        yield demo


@pytest.fixture
def imported(demo, db):
    store = store_of(demo)
    sync.run(store)
    return store


@pytest.fixture
def copy(demo):
    """A copy of the shop as it was at first, which from `take_over` on answers at the shop's address."""
    clone = server.Demo(shop_of_a_year())
    clone.url = clone.shop.url = demo.url
    clone.take_over = lambda: demo.faults.append(lambda request, response: clone.answer(request))
    clone.step_back = demo.faults.clear
    return clone


def sell(shop, count, **more):
    return [
        shop.place_order(email="asha@mail.example", lines=[(product_of(shop), 1)], **more)["id"] for _ in range(count)
    ]


def complete_one(shop):
    shop.complete(next(row["id"] for row in shop.rows["orders"].values() if row["status"] == "processing"))


def product_of(shop):
    return next(row["id"] for row in shop.rows["products"].values() if row["type"] == "simple")


def rows(store):
    orders = Order.objects.filter(store=store).order_by("woo_id")
    return list(orders.values_list("woo_id", "order_key", "status", "digest", "deleted_at")), list(
        Product.objects.filter(store=store).order_by("woo_id").values_list("woo_id", "digest", "deleted_at")
    )


@pytest.mark.parametrize("mode", ["changes", "compare", "full"])
def test_nothing_of_a_copy_that_missed_the_newest_orders_is_mirrored(demo, imported, copy, mode):
    sell(demo.shop, 5)
    sync.run(imported)
    before = rows(imported)
    # It goes on selling for itself, and something of it was changed.
    sell(copy.shop, 1, at=lately())
    complete_one(copy.shop)
    copy.take_over()

    with pytest.raises(WrongShop):
        sync.run(imported, mode=mode)

    assert rows(imported) == before
    imported.refresh_from_db()
    assert imported.name in imported.halted and "It is a copy" in imported.halted
    with pytest.raises(WooCommerceError, match="It is a copy"), Client(imported) as client:
        client.get("orders")


def test_the_right_shop_goes_on_by_itself_and_the_merchant_heard_of_it_once(demo, imported, copy):
    sell(demo.shop, 5)
    sync.run(imported)
    copy.take_over()
    sell(copy.shop, 1, at=lately())
    complete_one(copy.shop)
    for _ in range(3):
        with pytest.raises(WrongShop):
            sync.run(Store.objects.get(pk=imported.pk))
    copy.step_back()
    (new,) = sell(demo.shop, 1)

    sync.run(Store.objects.get(pk=imported.pk))

    imported.refresh_from_db()
    assert not imported.halted and Order.objects.filter(store=imported, woo_id=new).exists()
    told = Event.objects.filter(store=imported, type__startswith="sync.").order_by("pk")
    assert [event.type for event in told] == ["sync.failed", "sync.recovered"]
    assert "It is a copy" in told[0].data["message"]
    assert Incident.objects.get().closed_at


def test_a_copy_that_names_another_home_is_known_by_it(demo, imported, copy):
    copy.take_over()
    demo.faults.append(
        lambda request, response: (
            json_response({"home": "https://staging.shop.example"}) if request.path == "/wp-json/" else None
        )
    )
    demo.faults.reverse()
    sell(copy.shop, 1, at=lately())

    with pytest.raises(WrongShop, match="calls itself https://staging.shop.example"):
        sync.run(imported)


def test_another_shop_is_known_by_its_number(imported, copy):
    copy.shop.name = "Somebody else"
    copy.take_over()

    with pytest.raises(WrongShop, match="another WooCommerce shop answers"):
        sync.run(imported, mode="compare")


def test_a_shop_that_lost_its_newest_orders_is_accepted_by_an_owner_and_compared(demo, imported):
    for woo_id in sorted(demo.shop.rows["orders"])[-10:]:
        demo.shop.delete(woo_id)
    with pytest.raises(WrongShop, match="does not know the newest orders"):
        sync.run(imported, mode="compare")

    out = StringIO()
    call_command("sync", imported.slug, "--accept", stdout=out)

    imported.refresh_from_db()
    live = set(Order.objects.filter(store=imported, deleted_at=None).values_list("woo_id", flat=True))
    assert not imported.halted and live <= set(demo.shop.rows["orders"])
    sync.run(imported, mode="compare")


def test_orders_in_the_trash_and_a_few_that_are_gone_make_no_other_shop(demo, imported):
    newest = list(Order.objects.filter(store=imported).order_by("woo_id").values_list("woo_id", flat=True))
    demo.shop.delete(newest[-1])
    for woo_id in newest[-5:-1]:
        demo.shop.trash(woo_id)

    sync.run(imported, mode="compare")

    assert not Store.objects.get(pk=imported.pk).halted


def test_a_shop_that_moved_and_whose_new_address_was_given_is_the_same(demo, imported):
    ShopIdentity.objects.filter(store=imported).update(home="https://old.shop.example")

    sync.run(imported, mode="compare")

    assert ShopIdentity.objects.get().home == demo.url


def connect_to(demo, *args):
    call_command("connect_store", demo.url, "--key", "ck_demo", "--secret", "cs_demo", "--insecure", *args)


def test_a_shop_that_moved_is_given_its_new_address_and_stays_one_store(demo, imported):
    identity.halt(imported, "It has moved.")
    before = Order.objects.count()
    with server.running(demo.shop) as new:
        with pytest.raises(CommandError, match=f"connected already.*--slug {imported.slug} "):
            connect_to(new, "--no-webhooks")
        connect_to(new, "--no-webhooks", "--slug", imported.slug)
        sell(new.shop, 1)
        [store] = Store.objects.all()
        sync.run(store)

    assert (store.pk, store.url, store.halted) == (imported.pk, new.url, "")
    assert Order.objects.filter(store=store).count() == before + 1


def test_the_address_of_another_shop_is_refused_and_stops_nothing(demo, imported):
    with server.running(shop_of_a_year(seed=8)) as other, pytest.raises(CommandError):
        connect_to(other, "--no-webhooks", "--slug", imported.slug)

    imported.refresh_from_db()
    assert (imported.url, imported.halted) == (demo.url, "")


def test_a_store_of_which_little_is_known_becomes_no_other_shop_and_one_order_proves_that_it_is_the_same(db):
    with server.running(Shop()) as young, server.running(shop_of_a_year()) as other:
        store = store_of(young)
        sync.run(store)
        # Its key may not read the shop's number.
        ShopIdentity.objects.update(woo_store_id="")
        with pytest.raises(CommandError, match="Nothing shows that the shop"):
            connect_to(other, "--no-webhooks", "--slug", store.slug)
        after_the_other = Store.objects.values_list("url", flat=True).get(), ShopIdentity.objects.get().home
        make_order(store, woo_id=max(other.shop.rows["orders"]), order_key=newest_key(other.shop))
        connect_to(other, "--no-webhooks", "--slug", store.slug)

        assert after_the_other == (young.url, young.url)
        assert Store.objects.get().url == other.url


def newest_key(shop):
    return shop.rows["orders"][max(shop.rows["orders"])]["order_key"]


def test_a_page_of_trouble_leads_to_the_address_and_the_keys(imported, client):
    identity.halt(imported, "It has moved.")
    client.force_login(make_staff(imported))

    page = client.get(f"/admin/woocommerce/connection/{imported.pk}/change/").content.decode()

    assert f"/admin/stores/store/{imported.pk}/change/" in page


def test_a_shop_without_orders_is_nobody_else(db):
    with server.running(Shop()) as demo:
        store = store_of(demo)
        for mode in ("changes", "changes", "compare", "full"):
            assert sync.run(store, mode=mode).is_finished

    assert set(SyncRun.objects.values_list("outcome", flat=True)) == {"done"}


def test_a_poll_that_finds_nothing_asks_nobody_who_they_are(demo, imported):
    demo.shop.requests.clear()
    sync.run(imported)

    assert "/wp-json/" not in {request["path"] for request in demo.shop.requests}


def test_keys_of_another_shop_are_refused_when_they_are_checked(imported, copy):
    copy.shop.name = "Somebody else"
    copy.take_over()

    note = connect.check_and_note(imported)

    assert not note.is_ok and "another WooCommerce shop answers" in note.message


def test_what_a_copy_sends_is_kept_and_not_applied(imported):
    ShopIdentity.objects.filter(store=imported).update(home="https://www.shop.example")
    theirs = make_delivery(imported, order(901), source="https://staging.shop.example/")
    ours = make_delivery(imported, order(902), source="https://shop.example/")

    drain.drain(WebhookDelivery, NOW)

    theirs.refresh_from_db()
    ours.refresh_from_db()
    assert (theirs.state, ours.state) == ("parked", "done")
    assert "https://staging.shop.example/ sent this" in theirs.error
    assert not Order.objects.filter(woo_id=901).exists()


def test_what_waits_in_a_halt_of_days_is_taken_up_once_the_owner_accepts_the_shop(client, imported):
    other = make_store()
    identity.halt(imported, "Who are you?")
    waiting = make_delivery(imported, order(901, at="2020-01-01T00:00:00"))
    asked = Reread.objects.create(store=imported, resource="orders", woo_id=902, due_at=NOW)
    for hours in range(0, 24 * 7, 6):
        free = make_delivery(other, order(hours + 1, at="2020-01-01T00:00:00"))
        drain.drain_all(at=NOW + timedelta(hours=hours))
        free.refresh_from_db()
        assert free.state == "done"
    for row in (waiting, asked):
        row.refresh_from_db()
        assert (row.state, row.attempts) == ("due", 0)

    client.force_login(make_staff(imported))
    client.post(f"/admin/woocommerce/connection/{imported.pk}/do/", {"do": "accept"})
    drain.drain_all(at=NOW + timedelta(days=7))

    assert Order.objects.filter(store=imported, woo_id=901).exists()
    asked.refresh_from_db()
    assert asked.state == "done"


def test_what_was_claimed_at_the_moment_of_a_halt_is_not_applied(imported):
    delivery = make_delivery(imported, order(901))
    claimed = drain.claim(WebhookDelivery, NOW)
    identity.halt(imported, "Who are you?")

    drain._perform(WebhookDelivery, claimed, NOW)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("due", "Who are you?")


def test_a_copy_that_has_an_order_no_more_deletes_nothing(demo, imported, copy):
    new = sell(demo.shop, 5)
    sync.run(imported)
    copy.take_over()
    row = Reread.objects.create(store=imported, resource="orders", woo_id=new[0], due_at=NOW)

    drain.drain(Reread, NOW)

    row.refresh_from_db()
    # It waits for the owner's word, as everything of this shop does.
    assert row.state == "due" and "It is a copy" in row.error
    assert Order.objects.get(store=imported, woo_id=new[0]).deleted_at is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://shop.example", "http://www.Shop.example/", True),
        ("https://shop.example:443/a", "https://shop.example/a/", True),
        ("https://shop.example/a", "https://shop.example/b", False),
        ("https://shop.example", "https://staging.shop.example", False),
        ("shop.example", "https://shop.example", True),
    ],
)
def test_an_address_is_one_site_however_it_is_written(one, other, same):
    assert (identity.site(one) == identity.site(other)) == same


def test_a_store_that_was_never_asked_learns(db):
    store = make_store()
    make_order(store)
    identity.remember(store, identity.Word("https://shop.example", ""), NOW)

    identity.remember(store, identity.Word("", "7"), NOW)

    known = ShopIdentity.objects.get()
    assert (known.home, known.woo_store_id, known.learned_at) == ("https://shop.example", "7", NOW)


def test_a_wrong_shop_ends_the_command_with_its_name(imported, copy):
    copy.shop.name = "Somebody else"
    copy.take_over()
    said = StringIO()

    with pytest.raises(CommandError, match=imported.slug):
        call_command("sync", imported.slug, "--reconcile", stdout=StringIO(), stderr=said)

    assert imported.name in said.getvalue() and "connect it as one" in said.getvalue()
