"""Shops in every kind of trouble: each is told in words that name the store, what happened and what to do, on the run's record and on its sync page."""

import datetime
import html
import ipaddress
import json
import ssl
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crm.orders.models import Order
from crm.stores.models import Store
from crm.woocommerce import client, tasks
from crm.woocommerce.models import Incident, SyncRun
from postpurchase.demo import server
from postpurchase.demo.web import Response, html_response, json_response
from tests.factories import make_staff

from .conftest import store_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_second_attempt(monkeypatch):
    monkeypatch.setattr(client, "ATTEMPTS", 1)


def sync_and_read(page, store, mode="changes"):
    """What the newest run says, and what its sync page says, after a worker was at it."""
    tasks.sync_store(store.pk, mode)
    page.force_login(make_staff(store))
    shown = page.get(f"/admin/woocommerce/connection/{store.pk}/change/").content.decode()
    return SyncRun.objects.latest("pk"), " ".join(html.unescape(shown).split())


def told(page, store, *parts, mode="changes"):
    run, shown = sync_and_read(page, store, mode)
    assert run.outcome == "failed" and Incident.objects.filter(store=store, closed_at=None).exists()
    for part in (store.name, *parts):
        assert part in run.error, run.error
    # One line for each kind of object that is refused.
    assert all(line in shown for line in run.error.splitlines())
    for secret in (store.consumer_key, store.consumer_secret):
        assert secret not in run.error and secret not in shown


def always(answer):
    return lambda demo: demo.faults.append(lambda request, response: answer)


def moved(demo):
    demo.faults.append(
        lambda request, response: Response(301, b"", [("Location", "https://new.example/wp-json/wc/v3/orders?oauth=1")])
    )


def refused(status, code, message):
    return always(json_response({"code": code, "message": message, "data": {"status": status}}, status))


def revoked_on_the_way(demo):
    left = [3]

    def fault(request, response):
        left[0] -= 1
        if left[0] >= 0:
            return None
        return json_response(
            {"code": "woocommerce_rest_authentication_error", "message": "Consumer key is invalid."}, 401
        )

    demo.faults.append(fault)


def broken(change):
    """The body as something between the shop and us makes it."""
    return lambda demo: demo.faults.append(lambda request, response: replace(response, body=change(response.body)))


MAINTENANCE = html_response("<title>Back soon</title><h1>Briefly unavailable for scheduled maintenance.</h1>", 503)
COMING_SOON = html_response("<title>Coming soon</title>", 200)
FIREWALL = html_response("<title>Attention Required! | Firewall</title>Ray ID: 1", 403)
NO_ROUTE = {"code": "rest_no_route", "message": "No route was found matching the URL and request method."}

TROUBLE = {
    "the shop moved": (moved, "sends us on to https://new.example", "Give the address it really answers at: https://new.example"),
    "keys revoked mid-run": (revoked_on_the_way, "does not know this consumer key", "Copy both keys again", "revoked"),
    "wrong secret": (
        refused(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid."),
        "not this consumer secret", "Copy both keys again",
    ),
    "keys for writing alone": (
        refused(401, "x", "The API key provided does not have read permissions."), "the keys may not do this", "give the key Read/Write",
    ),
    "a key without the right": (
        refused(403, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources."),
        "lacks the right", "for an administrator or a shop manager",
    ),
    "a clock that is off": (
        refused(401, "x", "Invalid timestamp."), "the time of the request", "Set the clocks of the shop's server and of this machine right",
    ),
    "plain permalinks": (
        always(html_response("<title>Page not found</title>", 404)), "no WooCommerce REST API at this address (404)", "any structure but “Plain”",
    ),
    "WooCommerce switched off": (always(json_response(NO_ROUTE, 404)), "no WooCommerce REST API", "that WooCommerce is active"),
    "maintenance": (always(MAINTENANCE), "in trouble (503: Back soon)", "tried again later"),
    "coming soon": (always(COMING_SOON), "a web page came instead of JSON (“Coming soon”)", "a maintenance mode"),
    "a firewall": (always(FIREWALL), "forbids it (403)", "Allow this machine's address and /wp-json/ there"),
    "too many requests": (always(Response(429, b"")), "asks for fewer requests (429)", "tried again later"),
    "PHP that prints": (
        broken(lambda body: b"<br />\nWarning: foreach() in x.php on line 1<br />\n" + body),
        "something is written before the JSON", "turn display_errors off",
    ),
    "half an answer": (broken(lambda body: body[: len(body) // 2]), "breaks off after", "tried again"),
    "an empty answer": (broken(lambda body: b""), "the answer is empty", "look into its error log"),
    "something else than a list": (broken(lambda body: b'{"a": 1}'), "a list was expected", ""),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "parts"), [(row[0], row[1:]) for row in TROUBLE.values()], ids=list(TROUBLE))
def test_what_is_wrong_with_a_shop_is_told_in_words_that_help(page, demo, shop_store, spoil, parts):
    spoil(demo)

    told(page, shop_store, *parts)


@pytest.fixture
def page(client):
    return client


def test_a_server_that_is_away_or_was_never_there(page, db):
    with server.running(server.small_shop()) as demo:
        store = store_of(demo)
    told(page, store, "refuses the connection", "that the server runs")
    Store.objects.filter(pk=store.pk).update(url="http://nothing.invalid")
    told(page, store, "no server is called nothing.invalid", "Check the address")


def test_addresses_that_are_not_asked_at_all_leave_a_run_behind_too(page, demo, shop_store):
    Store.objects.filter(pk=shop_store.pk).update(insecure=False)

    told(page, shop_store, "is not encrypted", "Use https")


def test_a_certificate_that_has_expired(page, db, tmp_path, monkeypatch):
    with server.running(server.small_shop(), tls=expired(tmp_path)) as demo:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))

        told(page, store_of(demo), "certificate has expired", "Put the shop's certificate right")


def expired(folder) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - datetime.timedelta(9), now - datetime.timedelta(1)
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.add_extension(address, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (folder / "certificate.pem").write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_another_shop_at_the_address(page, demo, shop_store):
    tasks.sync_store(shop_store.pk, "full")
    always(json_response({"home": "https://staging.shop.example"}))(demo)

    told(page, shop_store, "calls itself https://staging.shop.example", "--slug", mode="compare")


def test_objects_too_big_to_be_read_together_are_read_apart_and_one_that_is_too_big_alone_is_told(
    page, demo, shop_store, monkeypatch
):
    monkeypatch.setattr(client, "BIGGEST_ANSWER", 200_000)
    size = [5_000]

    def swell(request, response):
        if not request.path.endswith("/orders") or response.status != 200:
            return None
        rows = [
            row | {"meta_data": [{"id": 1, "key": "k", "value": "x" * size[0]}]} for row in json.loads(response.body)
        ]
        return replace(response, body=json.dumps(rows).encode())

    demo.faults.append(swell)
    run, _shown = sync_and_read(page, shop_store)
    assert run.outcome == "done" and Order.objects.filter(deleted_at=None).count() == len(
        [row for row in demo.shop.rows["orders"].values() if row["status"] not in ("trash", "checkout-draft")]
    )
    size[0] = 300_000

    told(page, shop_store, "the answer is bigger than", "meta data", mode="full")


def test_what_is_odd_and_no_trouble_is_no_error(page, db):
    """No orders at all; and a shop that gives less at once than is asked for."""

    def at_most_ten(request, response):
        rows = json.loads(response.body) if request.path.endswith("/orders") and request.method == "GET" else []
        if len(rows) <= 10:
            return None
        return replace(response, body=json.dumps(rows[:10]).encode())

    shop = server.year_shop(customers=8, orders=24)
    with server.running(server.small_shop()) as empty, server.running(shop) as stingy:
        empty.shop.rows["orders"].clear()
        stingy.faults.append(at_most_ten)
        for demo in (empty, stingy):
            run, _shown = sync_and_read(page, store := store_of(demo))
            assert (run.outcome, run.error) == ("done", "")
            listed = [
                row for row in demo.shop.rows["orders"].values() if row["status"] not in ("trash", "checkout-draft")
            ]
            assert Order.objects.filter(store=store, deleted_at=None).count() == len(listed)
