import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.events import recording
from crm.messaging import context as mail_context
from crm.stores import formats
from crm.work import drain
from loyalty import earning, ledger
from loyalty.ledger import Kind
from loyalty.models import Program
from tests.factories import (
    make_account,
    make_customer,
    make_guest,
    make_order,
    make_program,
    make_refund,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"), point_value=Decimal("0.10"))


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.fixture
def page(client, customer):
    """The points page as its words."""
    sign_in(client, customer.email)

    def page(query=""):
        response = client.get(f"/s/masala/points/{query}")
        assert response.status_code == 200
        return words(response)

    return page


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


def test_the_balance_is_big_and_has_its_worth(page, program, customer):
    make_account(customer, 1240)

    assert "1,240 points worth ₹124.00" in page()
    assert "You earn 1 point for each ₹10.00." in page()


def test_the_statement_links_orders_and_says_why(client, page, program, store, customer):
    order = make_order(
        store,
        customer,
        number="2026/7",
        total=Decimal("1299.00"),
        total_tax=Decimal("99.00"),
        shipping_total=Decimal("55.00"),
    )
    earning.settle(store, [order.pk], history=True)
    make_refund(order, amount=Decimal("129.90"))
    earning.settle(store, [order.pk])

    text = page()

    assert "₹1,145.00 of the order counts: goods after discounts, without tax." in text
    assert "1 point for each ₹10.00: ₹1,145.00 × 0.1 = 114.5, rounded down to 114." in text
    assert "Refund of order 2026/7" in text
    assert "₹114.50 of it was refunded; ₹1,030.50 is left." in text
    assert "This order had 114 points and should have 103; this entry makes up the difference." in text
    assert "+114" in text and "-11" in text
    assert b'href="/s/masala/orders/2026/7/"' in client.get("/s/masala/points/").content


def test_nothing_yet_says_how_to_begin(page, program):
    text = page()

    assert "0 points" in text
    assert "No points yet. They appear here as soon as an order is paid." in text


def test_a_store_without_a_programme_says_so(page):
    assert "Masala House has no points programme at the moment." in page()


def test_a_paused_programme_and_a_balance_below_zero_are_explained(page, program, customer):
    Program.objects.update(active=False, negative_balance=True)
    account = make_account(customer)
    ledger.post(account, Kind.REVERSE, -40, "order:1:2")

    text = page()

    assert "-40 points" in text and "worth" not in text
    assert "The next points you earn will make up for it." in text
    assert "The programme is paused" in text


def test_points_as_a_guest_and_as_a_customer_are_one_balance(page, program, store, customer):
    guest = make_guest(store, email="asha@mail.example")
    account = make_account(guest, 60)
    make_account(customer, 40)
    assert "100 points" in page()
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])
    ledger.join(store, [guest.pk])

    text = page()

    assert "100 points" in text
    assert account.entries.count() == 2
    # The move from one to the other is no news to the person who is both.
    assert "as a guest" not in text


def test_a_long_statement_has_pages(page, client, program, customer):
    account = make_account(customer)
    for number in range(45):
        ledger.post(account, Kind.ADJUST, 1, f"gift:{number}", note=f"Gift {number}.")

    query, seen = "", []
    for _page in range(3):
        text = page(f"statement/{query}")
        seen += re.findall(r"Gift (\d+)\.", text)
        query = (
            re.findall(rb'href="(\?before=\d+)"', client.get(f"/s/masala/points/statement/{query}").content) or [b""]
        )[0].decode()

    assert seen == [str(number) for number in reversed(range(45))]
    assert query == ""
    assert "There is nothing older." in page("statement/?before=1")
    for odd in ("?before=-1", "?before=x", "?before=" + "9" * 40, "?before=%C2%B2"):
        assert "Gift 44." in page(f"statement/{odd}")


def test_a_note_can_not_bring_html_along(client, page, program, customer):
    ledger.post(make_account(customer), Kind.ADJUST, 5, "gift", note="<script>alert(1)</script>")

    page()

    assert b"<script>alert(1)" not in client.get("/s/masala/points/").content


def test_the_page_costs_the_same_whatever_its_length(
    client, page, program, store, customer, django_assert_max_num_queries
):
    for _ in range(20):
        order = make_order(store, customer)
        earning.settle(store, [order.pk], history=True)

    with django_assert_max_num_queries(11):
        client.get("/s/masala/points/statement/")


def test_strangers_are_sent_to_sign_in(client, program):
    assert client.get("/s/masala/points/").headers["Location"] == "/s/masala/sign-in/?next=%2Fs%2Fmasala%2Fpoints%2F"


def test_nobody_sees_points_of_another_address_or_another_store(client, page, program, store, customer):
    make_account(make_customer(store), 777)
    elsewhere = make_store(slug="elsewhere")
    make_account(make_customer(elsewhere, email=customer.email), 888)

    assert "777" not in page() and "888" not in page()
    assert "0 points" in page()


def test_the_first_page_has_a_card(client, program, customer):
    sign_in(client, customer.email)
    assert "You earn 1 point for each ₹10.00." in words(client.get("/s/masala/"))
    make_account(customer, 1240)

    text = words(client.get("/s/masala/"))

    assert "Points worth ₹124.00 1,240 See your points" in text


def test_the_first_page_has_no_card_where_there_is_no_programme(client, customer):
    sign_in(client, customer.email)

    assert "See your points" not in words(client.get("/s/masala/"))


def test_a_mail_tells_the_points_of_its_order(program, store, customer):
    order = make_order(store, customer, total=Decimal("1299.00"))
    fact = {"order": order, "customer": customer, "occurred_at": timezone.now()}
    recording.record("order.paid", store, order.woo_id, **fact)

    def told():
        return mail_context.provided(store, customer, order)["loyalty"]

    early = told()
    drain.drain_all()

    assert early == told() == {"points_earned": 129, "balance": 129, "url": "http://localhost:8000/s/masala/points/"}
    assert mail_context.provided(store, customer, None)["loyalty"]["points_earned"] == 0
    assert mail_context.provided(store, None, order)["loyalty"] == {}


def test_a_mail_promises_no_points_for_history(program, store, customer):
    order = make_order(store, customer)

    assert mail_context.provided(store, customer, order)["loyalty"]["points_earned"] == 0


def test_a_mail_of_a_store_without_programme_says_nothing_of_points(store, customer):
    assert mail_context.provided(store, customer, make_order(store, customer))["loyalty"] == {}


def test_points_that_wait_are_shown_with_their_day(page, program, store, customer):
    Program.objects.update(pending_days=14)
    on_its_way = make_order(store, customer, number="17", total=Decimal("500.00"))
    arrived = make_order(store, customer, number="16", total=Decimal("300.00"), date_completed_gmt=timezone.now())
    earning.settle(store, [on_its_way.pk, arrived.pk], history=True)

    text = page()

    assert "0 points" in text
    assert "80 more points are on their way." in text
    day = formats.day(timezone.now() + timedelta(days=14), store.timezone)
    assert re.search(rf"Order 16 You can use them from {day}. 30 .*Order 17 You can use them some days after", text)
    assert "They can be spent some days after the order has arrived." in text


def test_released_points_are_counted_once_in_the_statement(page, program, store, customer):
    Program.objects.update(pending_days=14)
    order = make_order(store, customer, number="17", total=Decimal("500.00"), date_completed_gmt=timezone.now())
    earning.settle(store, [order.pk], history=True)
    ledger.release(store, timezone.now() + timedelta(days=15))

    text = page()

    assert "50 points worth" in text and "on their way" not in text
    assert "Points of order 17 can be used" in text
    assert text.count("+50") == 1
