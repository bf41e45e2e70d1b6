import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from crm.events.models import Event
from crm.stores.models import Store
from crm.woocommerce import connect, sync, webhook_care
from crm.woocommerce.models import ConnectionCheck
from postpurchase.demo import server
from postpurchase.demo.web import Response
from tests.factories import make_staff, make_store

from .conftest import store_of
from .server import Reply, serving

pytestmark = pytest.mark.django_db


def run(url, *args, key="ck_demo", secret="cs_demo"):
    out = StringIO()
    call_command("connect_store", url, "--key", key, "--secret", secret, *args, stdout=out)
    return out.getvalue()


def fail(url, *args, **keys):
    with pytest.raises(CommandError) as caught:
        run(url, *args, **keys)
    assert not Store.objects.exists()
    for secret in ("ck_demo", "cs_demo", *keys.values()):
        assert secret not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def little():
    with server.running(server.small_shop()) as demo:
        yield demo


@pytest.mark.parametrize(("code", "kept"), [("irht", "IRHT"), ("₹", "EUR"), ("DOUBLOONS OLD", "EUR")])
def test_a_currency_that_is_no_code_is_not_taken(little, code, kept):
    little.shop.currency = code
    run(little.url, "--insecure")

    assert Store.objects.get().currency == kept


def test_a_shop_is_connected_and_says_what_it_is(little):
    out = run(little.url, "--insecure")

    store = Store.objects.get()
    assert (store.name, store.slug, store.url) == ("Masala House", "masala-house", little.url)
    assert (store.currency, store.country, store.timezone) == ("INR", "IN", "Asia/Kolkata")
    assert store.signing == Store.Signing.OAUTH
    assert store.wc_version and abs(store.connected_at - store.announce_from) < timedelta(minutes=1)
    assert "Masala House (masala-house): connected" in out
    assert "manage.py sync masala-house" in out
    assert "cs_demo" not in out
    assert len(little.shop.rows["webhooks"]) == len(webhook_care.TOPICS)
    assert store.webhook_secret


@pytest.mark.parametrize("hours", [-3, 1])
def test_what_is_history_is_told_by_the_shops_own_clock(hours):
    def clock():
        return datetime.now(UTC) + timedelta(hours=hours)

    with server.running(server.small_shop(now=clock)) as demo:
        run(demo.url, "--insecure", "--no-webhooks")
        placed = demo.shop.place_order()
        store = Store.objects.get()

        sync.run(store)

        told = Event.objects.filter(store=store, type="order.created").values_list("key", flat=True)
    assert abs(store.announce_from - clock()) < timedelta(minutes=1)
    assert list(told) == [str(placed["id"])]


def test_connecting_leaves_no_trace_in_the_shop(little):
    before = {table: dict(rows) for table, rows in little.shop.rows.items() if table != "webhooks"}

    run(little.url, "--insecure", "--no-webhooks")

    after = {table: dict(rows) for table, rows in little.shop.rows.items() if table != "webhooks"}
    assert before == after and not little.shop.rows["webhooks"]


def test_connecting_twice_changes_nothing(little):
    run(little.url, "--insecure")
    store, webhooks = Store.objects.values().get(), json.dumps(little.shop.rows["webhooks"])

    out = run(f"{little.url}/wp-admin/", "--insecure")

    assert Store.objects.values().get() == store
    assert json.dumps(little.shop.rows["webhooks"]) == webhooks
    assert [event.key for event in Event.objects.filter(type="store.connected")] == [str(store["id"])]
    assert "still connected" in out and "0 made, 0 repaired, 15 as they were" in out


def test_webhooks_that_the_shop_switched_off_are_made_again(little):
    run(little.url, "--insecure")
    store, rows = Store.objects.get(), little.shop.rows["webhooks"]
    first, second = list(rows)[:2]
    rows[first]["status"] = "disabled"
    rows[second]["status"] = "paused"

    care = webhook_care.repair(store)

    assert (care.made, care.repaired, care.kept) == (1, 1, 13)
    assert len(rows) == 15 and {row["status"] for row in rows.values()} == {"active"}


def test_webhooks_of_others_are_left_alone(little):
    other = store_of(little)
    with webhook_care.Client(other) as client:
        client.post("webhooks", {"topic": "order.created", "delivery_url": "https://other.example/hook", "secret": "s"})

    run(little.url, "--insecure", "--slug", "mine")

    assert len(little.shop.rows["webhooks"]) == 16


def test_the_slug_may_be_chosen_and_never_clashes(little):
    make_store(slug="masala-house")

    run(little.url, "--insecure", "--no-webhooks")

    assert Store.objects.filter(slug="masala-house-2").exists()
    with pytest.raises(CommandError, match="Another store is called masala-house"):
        run("https://else.example", "--slug", "masala-house")


def test_wrong_keys_are_told_apart(little):
    assert "the shop does not know this consumer key" in fail(little.url, "--insecure", key="ck_other")
    assert "the shop refuses the signature" in fail(little.url, "--insecure", secret="cs_other")


def test_a_key_that_may_not_write_is_refused(little):
    little.shop.add_key("ck_read", "cs_read", permissions="read")

    assert "give the key Read/Write" in fail(little.url, "--insecure", key="ck_read", secret="cs_read")


def test_http_needs_insecure(little):
    assert "is not encrypted" in fail(little.url)


def test_what_is_no_address_is_told_without_trying_it():
    assert "is no web address of a shop" in fail("not an address")


def test_a_server_without_https_is_told_from_a_bad_certificate(little):
    assert "does not speak https there" in fail(little.url.replace("http://", "https://"), "--insecure")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply("<html><title>My blog</title></html>"), "a web page came instead of JSON (“My blog”)"),
        (Reply("<html>no</html>", 404), "has no WordPress REST API"),
        (Reply({"name": "Blog", "namespaces": ["wp/v2"]}), "is a WordPress without WooCommerce"),
        (Reply("", 301, Location="https://www.shop.example/wp-json/"), "https://www.shop.example"),
    ],
)
def test_what_is_no_woocommerce_is_named(reply, words, monkeypatch):
    monkeypatch.setattr("crm.woocommerce.client.ATTEMPTS", 1)
    with serving(lambda request: reply) as somewhere:
        assert words in fail(somewhere.url, "--insecure")


def test_a_shop_that_hides_its_index_can_be_connected(little):
    hidden = b'{"code":"rest_cannot_access","message":"Only for members","data":{"status":401}}'
    little.faults.append(lambda request, response: Response(401, hidden, []) if request.path == "/wp-json/" else None)

    run(little.url, "--insecure", "--no-webhooks")

    assert Store.objects.get().timezone == "UTC"


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("shop.example", "https://shop.example"),
        (" https://Shop.Example/ ", "https://shop.example"),
        ("https://shop.example/wp-json/wc/v3/orders?x=1", "https://shop.example"),
        ("https://shop.example/blog/wp-admin/index.php", "https://shop.example/blog"),
        ("http://localhost:8080/shop/", "http://localhost:8080/shop"),
    ],
)
def test_addresses_are_taken_as_people_copy_them(given, clean):
    assert connect.clean_url(given) == clean


@pytest.mark.parametrize(
    ("index", "zone"),
    [
        ({"timezone_string": "Europe/Berlin", "gmt_offset": 1}, "Europe/Berlin"),
        ({"timezone_string": "", "gmt_offset": 5.5}, "Asia/Kolkata"),
        ({"timezone_string": "", "gmt_offset": "2"}, "Etc/GMT-2"),
        ({"timezone_string": "", "gmt_offset": -5}, "Etc/GMT+5"),
        ({"timezone_string": "Mars/Olympus", "gmt_offset": "?"}, "UTC"),
        ({}, "UTC"),
    ],
)
def test_time_zone_of_a_shop_that_names_a_city_or_an_offset(index, zone):
    assert connect._timezone(index) == zone


def test_a_check_notes_what_came_of_it(little):
    store = store_of(little)

    assert connect.check_and_note(store).is_ok
    store.consumer_key = "ck_other"
    note = connect.check_and_note(store)

    assert not note.is_ok and "consumer key" in note.message
    assert ConnectionCheck.objects.get() == note


@pytest.mark.parametrize(
    "url", ["http://shop.example", "https://www.shop.example", "https://WWW.Shop.example/wp-admin/", "shop.example:443"]
)
def test_a_shop_is_one_store_however_its_address_is_written(url):
    make_store(name="Masala House", slug="masala", url="https://shop.example")

    with pytest.raises(CommandError, match=r"connected already, as Masala House \(masala, https://shop.example\)"):
        run(url, "--insecure")


def test_admin_refuses_a_second_store_for_a_shop(client):
    client.force_login(make_staff(is_superuser=True))
    make_store(name="Masala House", url="https://shop.example")
    other = make_store()

    page = client.post(f"/admin/stores/store/{other.pk}/change/", {"url": "http://www.shop.example/"}).content.decode()

    assert "Masala House is connected to this shop already" in page
