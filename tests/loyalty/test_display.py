import hashlib
import hmac
import secrets
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from crm.events import recording
from crm.stores.addresses import origin
from crm.work import drain
from loyalty import asking, earning, members
from loyalty.admin.display import snippet_of
from loyalty.models import AskedCount, Program, ShopDisplay
from loyalty.views import display
from tests.factories import (
    make_account,
    make_campaign,
    make_category,
    make_customer,
    make_earning_rule,
    make_order,
    make_product,
    make_program,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[2] / "docs" / "shop-display.md"
POINTS = "/s/masala/points.json"


@pytest.fixture
def store():
    return make_store(slug="masala", url="https://shop.example")


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"))


@pytest.fixture
def shown(program):
    return ShopDisplay.objects.create(store=program.store)


@pytest.fixture
def customer(program):
    customer = make_customer(program.store)
    make_account(customer, 1240)
    return customer


def token(shown, number, seconds=600, nonce="a1b2c3d4", slug="masala"):
    """As the shop makes it, whatever the server's code says."""
    said = f"v1.{number}.{int(timezone.now().timestamp()) + seconds}.{nonce}"
    return f"{said}.{hmac.new(shown.secret.encode(), f'{slug}|{said}'.encode(), hashlib.sha256).hexdigest()}"


@pytest.fixture
def vouch(client, shown):
    """What the shop's page is answered for a customer."""

    def vouch(text, origin="https://shop.example", **more):
        return client.post(POINTS, {"token": text} | more, headers={"Origin": origin} if origin else {})

    return vouch


def test_what_is_shown_is_what_the_order_then_earns(client, store, program):
    program.counts_shipping, program.counts_taxes, program.cap_month = True, True, 500
    program.rounding = Program.Rounding.NEAREST
    program.save()
    shelf = make_category(store)
    tea, card = make_product(store), make_product(store, type="gift-card")
    pot = make_product(store, parent=make_product(store, type="variable"))
    pot.parent.categories.add(shelf)
    make_earning_rule(shelf, Decimal("0.5"))
    make_campaign(store, multiplier=3, product_ids=[tea.pk], active=True)
    lines = [(tea, "199.99", "36.00"), (pot, "333.33", "60.00"), (card, "500", "0")]
    order = make_order(
        store,
        make_customer(store),
        lines=[{"product": p, "total": Decimal(net), "total_tax": Decimal(tax)} for p, net, tax in lines],
        total=Decimal("1188.32"),
        total_tax=Decimal("105.00"),
        shipping_total=Decimal("50.00"),
        shipping_tax=Decimal("9.00"),
        date_created_gmt=timezone.now(),
    )
    asked = {
        "product": [*(p.woo_id for p, _net, _tax in lines), "shipping"],
        "price": [*(net for _p, net, _tax in lines), "50.00"],
        "tax": [*(tax for _p, _net, tax in lines), "9.00"],
    }

    said = client.get(POINTS, asked).json()

    earning.settle(store, [order.pk], history=True)
    entry = order.points_entries.get()
    assert said["points"] == entry.points > 0
    assert said["text"] == f"You will earn {entry.points} points."


def test_the_open_answer_is_for_caches_and_for_the_shops_own_pages(client, program, django_assert_max_num_queries):
    first = client.get(POINTS, {"product": 5, "price": "850"})
    again = client.get(POINTS, {"product": 5, "price": "850"}, headers={"If-None-Match": first["ETag"]})

    assert first.json() == {"version": 1, "points": 85, "text": "You will earn 85 points."}
    for response in (first, again):
        assert response["Cache-Control"] == "public, max-age=300"
        assert "Vary" not in response and not response.cookies
        assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert again.status_code == 304
    many = [make_product(program.store).woo_id for _ in range(20)]
    with django_assert_max_num_queries(7):
        client.get(POINTS, {"product": many, "price": ["10"] * 20})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.example:443/store/", "https://shop.example"),
        ("http://localhost:8900", "http://localhost:8900"),
        ("https://चाय.example/", "https://xn--61b6b2b.example"),
    ],
)
def test_a_shops_origin_is_as_browsers_write_it(url, expected):
    assert origin(url) == expected


def test_nothing_to_say_is_said_in_no_words(client, store, program):
    say = lambda **asked: client.get(POINTS, {"product": 5, "price": "850"} | asked).json()["text"]  # noqa: E731

    assert say(price="9") == ""
    assert say(currency="EUR") == ""
    assert say(lang="hi_IN") == "इससे आपको 85 पॉइंट मिलेंगे।"
    Program.objects.update(enrolment=Program.Enrolment.JOIN)
    assert say() == "Members earn 85 points."
    Program.objects.update(active=False)
    assert say() == ""
    Program.objects.all().delete()
    assert say() == ""


def test_what_is_not_understood_is_refused(client, program):
    wrong = [
        {"product": 5},
        {"product": 5, "price": ["1", "2"]},
        {"product": "x", "price": "1"},
        {"product": "٣", "price": "1"},
        {"product": 5, "price": "1e309"},
        {"product": 5, "price": "NaN"},
        {"product": "9" * 30, "price": "1"},
        {"product": [5] * 101, "price": ["1"] * 101},
    ]

    for asked in wrong:
        response = client.get(POINTS, asked)
        assert (response.status_code, response["Cache-Control"]) == (400, "no-store"), asked
    assert client.get("/s/nowhere/points.json").status_code == 404
    assert client.get(POINTS, {"product": [5, 0], "price": ["100", "-200"]}).json()["points"] == 0
    assert client.put(POINTS).status_code == 405


def test_who_asks_too_often_waits_and_no_address_is_kept(client, program, monkeypatch):
    monkeypatch.setattr(display, "MOST_A_MINUTE", 2)

    answers = [client.get(POINTS, REMOTE_ADDR=f"2001:db8::{n}") for n in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert client.get(POINTS, REMOTE_ADDR="192.0.2.7").status_code == 200
    assert not AskedCount.objects.filter(key__contains="192.0.2").exists()
    assert asking.forget(timezone.now() + timedelta(minutes=1)) == 2


def test_a_customer_whom_the_shop_vouches_for_reads_their_own_points(vouch, shown, customer):
    make_campaign(shown.store, multiplier=2, tiers=["gold"], active=True)
    customer.accounts.update(tier="gold")

    response = vouch(token(shown, customer.woo_id), product=5, price="850")

    assert response.json() == {
        "version": 1,
        "points": 170,
        "text": "You will earn 170 points. You have 1,240 points.",
        "balance": 1240,
    }
    assert "no-store" in response["Cache-Control"] and "private" in response["Cache-Control"]
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


def test_the_thank_you_page_says_what_its_order_earns_however_often_it_is_read(vouch, shown, program, customer):
    Program.objects.update(cap_day=100)
    make_campaign(shown.store, multiplier=2, tiers=["gold"], active=True)
    now = timezone.now()
    order = make_order(
        shown.store, customer, lines=[{"total": 850}], total=850, date_created_gmt=now, date_paid_gmt=now
    )
    unpaid = make_order(shown.store, customer, total=850, date_created_gmt=now, is_paid=False, date_paid_gmt=None)
    theirs = make_order(shown.store, make_customer(shown.store), total=90, date_created_gmt=now, date_paid_gmt=now)

    def said(order_woo_id):
        text = token(shown, customer.woo_id, nonce=secrets.token_hex(8))
        return vouch(text, product=5, price="850", order=order_woo_id).json()["points"]

    # Not mirrored yet, not paid yet, somebody else's, and what is no number: by the lines.
    assert [said(number) for number in (999999, unpaid.woo_id, theirs.woo_id, "x", "9" * 30)] == [85] * 5
    recording.record("order.paid", shown.store, order.woo_id, customer=customer, order=order, occurred_at=now)
    assert said(order.woo_id) == 85
    drain.drain_all()
    customer.accounts.update(tier="gold")

    assert said(order.woo_id) == 85
    # Another order has what the limit leaves, in the tier of now.
    assert said(999999) == 15


def test_nobody_else_reads_them(client, vouch, shown, customer):
    elsewhere = ShopDisplay.objects.create(store=make_store(slug="other"))
    good = token(shown, customer.woo_id)
    refused = {
        "nothing": "",
        "forged": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "another customer": good.replace(f"v1.{customer.woo_id}.", f"v1.{customer.woo_id + 1}."),
        "over": token(shown, customer.woo_id, seconds=-1),
        "for too long": token(shown, customer.woo_id, seconds=3600),
        "of another store": token(elsewhere, customer.woo_id),
        "for another store": token(shown, customer.woo_id, slug="other"),
        "other digits": good.replace("1", "١"),
        "long": "v1." * 5000,
    }

    for name, text in refused.items():
        response = vouch(text)
        assert (response.status_code, "balance" in response.json()) == (403, False), name
        assert "no-store" in response["Cache-Control"]
    assert vouch(good, origin="https://evil.example").status_code == 403
    assert vouch(good, origin=None).status_code == 200
    assert "balance" not in client.get(POINTS, {"token": good}).json()
    ShopDisplay.objects.all().delete()
    assert vouch(good).status_code == 403


def test_a_token_is_used_up(vouch, shown, customer):
    once, other = token(shown, customer.woo_id), token(shown, customer.woo_id, nonce="another-one")

    answers = [vouch(once).status_code for _ in range(11)]

    assert answers == [200] * 10 + [403]
    assert vouch(other).status_code == 200


def test_who_takes_no_part_has_no_balance_there(vouch, shown, program, customer):
    assert vouch(token(shown, 999999), product=5, price="100").json()["text"] == "You will earn 10 points."
    members.leave(program, customer, "portal", timezone.now())

    said = vouch(token(shown, customer.woo_id), product=5, price="100").json()

    assert said == {"version": 1, "points": 10, "text": "Members earn 10 points."}


def test_the_script_is_small_and_may_be_kept(client, program):
    response = client.get("/s/masala/points.js?ver=1")

    assert len(response.content) < 5000
    assert response["Content-Type"].startswith("text/javascript")
    assert response["Cache-Control"] == "public, max-age=3600" and response["ETag"]
    assert not {"innerHTML", "insertAdjacentHTML", "outerHTML", "eval("} & set(response.content.decode().split())


def test_an_owner_finds_what_to_paste_and_renews_the_secret(client, shown, vouch, customer):
    old = token(shown, customer.woo_id)
    agent, owner = make_staff(shown.store, "agent"), make_staff(shown.store)
    page = f"/admin/loyalty/shopdisplay/{shown.pk}/change/"

    client.force_login(agent)
    assert client.get(page).status_code == 403 and client.get("/admin/loyalty/shopdisplay/").status_code == 403
    client.force_login(owner)
    assert shown.secret in client.get(page).content.decode()
    client.post("/admin/loyalty/shopdisplay/", {"action": "renew", "_selected_action": [shown.pk]})

    shown.refresh_from_db()
    assert vouch(old).status_code == 403
    assert vouch(token(shown, customer.woo_id)).status_code == 200


def test_the_documented_snippet_is_the_one_that_owners_are_given(settings):
    settings.SITE_URL = "https://points.example"
    row = ShopDisplay(store=make_store(slug="masala"), secret="the secret of Loyalty › Points in the shop")

    assert snippet_of(row).strip() in DOCS.read_text()
