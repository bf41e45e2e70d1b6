from decimal import Decimal

import pytest

from crm.orders.models import RefundLine
from crm.portal import orders
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return factories.make_store(slug="masala", name="Masala House", currency="EUR", timezone="Asia/Kolkata")


@pytest.fixture
def customer(store):
    return factories.make_customer(store, email="asha@mail.example")


@pytest.fixture
def me(client, customer):
    factories.sign_in(client, customer.email)
    return client


def page(client, path):
    response = client.get(f"/s/masala/{path}")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_anonymous_people_are_sent_to_sign_in_and_come_back(client, store):
    response = client.get("/s/masala/orders/7/")

    assert response.url == "/s/masala/sign-in/?next=%2Fs%2Fmasala%2Forders%2F7%2F"


def test_the_list_shows_my_orders_newest_first(me, store, customer):
    factories.make_order(store, customer, number="1", date_created_gmt=factories.NOW.replace(day=1))
    factories.make_order(store, customer, number="2", status="completed", total=Decimal("12.40"), lines=[{}, {}])

    shown = page(me, "orders/")

    assert shown.index("Order 2") < shown.index("Order 1")
    assert "€12.40" in shown and "2 pieces" in shown and "Completed" in shown


def test_guest_orders_of_my_address_are_mine(me, store):
    guest = factories.make_guest(store, email="asha@mail.example")
    factories.make_order(store, guest, number="77")

    assert "Order 77" in page(me, "orders/")
    assert "Order 77" in page(me, "orders/77/")


def test_orders_of_a_guest_who_was_joined_to_me_are_mine(me, store, customer):
    guest = factories.make_guest(store, email="old@mail.example", joined_to=customer)
    factories.make_order(store, guest, number="78")

    assert "Order 78" in page(me, "orders/")


@pytest.mark.parametrize("whose", ["another customer", "another store", "nobody", "deleted", "draft", "no such"])
def test_what_is_not_mine_is_not_found(me, store, customer, whose):
    other = factories.make_store()
    fields = {
        "another customer": (store, factories.make_customer(store), {}),
        "another store": (other, factories.make_customer(other, email=customer.email), {}),
        "nobody": (store, None, {"billing_email": customer.email}),
        "deleted": (store, customer, {"deleted_at": factories.NOW}),
        "draft": (store, customer, {"status": "checkout-draft"}),
        "no such": (store, customer, {"number": "100"}),
    }
    owner_store, owner, more = fields[whose]
    factories.make_order(owner_store, owner, **{"number": "99"} | more)

    assert me.get("/s/masala/orders/99/").status_code == 404
    assert "Order 99" not in page(me, "orders/")


def test_no_orders_yet_is_said_kindly(me):
    assert "No orders yet" in page(me, "orders/")
    assert "No orders yet" in page(me, "")


def test_the_first_page_greets_and_shows_the_latest_order(me, store, customer):
    factories.make_order(store, customer, number="5", lines=[{"quantity": Decimal("1.5")}])

    shown = page(me, "")

    assert "Hello, Asha" in shown and "Order 5" in shown and "Being prepared" in shown and "1.5 pieces" in shown


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("pending", "We are waiting for your payment."),
        ("cancelled", "Nothing more will be sent."),
        ("refunded", "Your money for this order has been returned"),
        ("failed", "did not go through"),
        ("wc-awaiting_pickup", "Wc awaiting pickup"),
    ],
)
def test_every_status_is_put_into_words(me, store, customer, status, words):
    factories.make_order(store, customer, number="5", status=status)

    assert words in page(me, "orders/5/")


def test_an_order_shows_what_it_cost_line_by_line(me, store, customer):
    order = factories.make_order(
        store,
        customer,
        number="12",
        total=Decimal("142.80"),
        total_tax=Decimal("22.80"),
        shipping_total=Decimal("10.00"),
        discount_total=Decimal("15.00"),
        shipping_lines=[{"method_title": "DHL", "total": "10.00", "total_tax": "1.90"}],
        fee_lines=[{"name": "Gift wrap 🎁", "total": "25.00", "total_tax": "4.75"}],
        coupon_lines=[{"code": "दिवाळी", "discount": "15"}],
        tax_lines=[{"label": "MwSt.", "rate_percent": 19, "tax_total": "20.90", "shipping_tax_total": "1.90"}],
        payment_method_title="PayPal",
        lines=[{"name": "Paithani साडी", "subtotal": Decimal("115.00"), "total": Decimal("100.00"), "image_url": "https://shop.example/s.jpg"}],
    )  # fmt: skip
    refund = factories.make_refund(order, amount=Decimal("42.80"), reason="Torn")
    line = order.line_items.get()
    RefundLine.objects.create(
        refund=refund, woo_id=1, line_item=line, name=line.name, quantity=1, total=Decimal(42), total_tax=0
    )
    order.refunded_total = Decimal("42.80")
    order.save(update_fields=["refunded_total"])

    rows = [(str(row["label"]), row["amount"]) for row in orders.sums(order)]
    shown = page(me, "orders/12/")

    assert rows == [
        ("Items", Decimal("115.00")),
        ("Discount (दिवाळी)", Decimal("-15.00")),
        ("Shipping (DHL)", Decimal("10.00")),
        ("Gift wrap 🎁", Decimal("25.00")),
        ("MwSt. 19 %", Decimal("22.80")),
        ("Total", Decimal("142.80")),
        ("Refunded: Torn", Decimal("-42.80")),
        ("After refunds", Decimal("100.00")),
    ]
    assert "-€15.00" in shown and "€142.80" in shown and "1 refunded" in shown and "PayPal" in shown
    assert 'src="https://shop.example/s.jpg"' in shown


def test_a_rate_that_is_in_the_taxs_name_is_not_said_twice(store, customer):
    order = factories.make_order(
        store,
        customer,
        tax_lines=[{"label": "GST 5%", "rate_percent": 5, "tax_total": "1.00", "shipping_tax_total": ""}],
    )

    assert orders.taxes(order) == [("GST 5%", Decimal("1.00"))]


def test_prices_that_include_tax_are_shown_with_it(store, customer):
    order = factories.make_order(
        store,
        customer,
        prices_include_tax=True,
        total=Decimal("119.00"),
        tax_lines=[{"label": "VAT", "rate_percent": 19, "tax_total": "19.00", "shipping_tax_total": ""}],
        lines=[{"subtotal_tax": Decimal("19.00"), "total_tax": Decimal("19.00")}],
    )

    assert [(str(row["label"]), row["amount"], row["kind"]) for row in orders.sums(order)] == [
        ("Items", Decimal("119.00"), ""),
        ("Total", Decimal("119.00"), "total"),
        ("including VAT 19 %", Decimal("19.00"), "included"),
    ]


@pytest.mark.parametrize(
    "junk", [None, "", [], {}, [None, 7, "x"], [{"label": ["x"], "total": "NaN", "key": 3, "code": None}]]
)
def test_odd_shapes_from_the_shop_do_not_break_the_page(me, store, customer, junk):
    factories.make_order(
        store, customer, number="13", shipping_lines=junk or [], fee_lines=junk or [], tax_lines=junk or [], coupon_lines=junk or [],
        billing=junk or {}, shipping=junk or {}, lines=[{"meta_data": junk or []}], date_created_gmt=None,
    )  # fmt: skip

    assert "Order 13" in page(me, "orders/13/")


def test_what_a_customer_chose_is_shown_and_a_plug_ins_notes_are_not():
    meta = [
        {"key": "size", "value": "L", "display_key": "Size", "display_value": "<p>L &amp; wide</p>"},
        {"key": "_reduced_stock", "value": "3"},
        {"key": "empty", "value": ""},
        {"key": "nested", "value": {"a": 1}},
    ]

    assert orders.details(meta) == [("Size", "L & wide")]


def test_markup_in_what_the_shop_wrote_is_text(me, store, customer):
    factories.make_order(
        store,
        customer,
        number="14",
        customer_note="<script>alert(1)</script>",
        lines=[{"name": '<img src=x onerror="alert(1)">', "image_url": "javascript:alert(1)"}],
    )

    shown = page(me, "orders/14/")

    assert "<script>alert" not in shown and "<img src=x" not in shown and "javascript:" not in shown


def test_numbers_of_any_kind_have_an_address(me, store, customer):
    factories.make_order(store, customer, number="2026/001 ü")

    assert "/s/masala/orders/2026/001%20%C3%BC/" in page(me, "orders/")
    assert "Order 2026/001 ü" in page(me, "orders/2026/001 ü/")


def test_dates_are_the_stores_and_addresses_name_the_country(me, store, customer):
    late = factories.NOW.replace(hour=22)
    factories.make_order(
        store, customer, number="15", date_created_gmt=late,
        shipping={"first_name": "Asha", "address_1": "12 MG Road", "postcode": "411001", "city": "Pune", "country": "IN"},
    )  # fmt: skip

    shown = page(me, "orders/15/")

    assert "16 June 2026" in shown
    assert "12 MG Road 411001 Pune India" in shown


def test_the_number_of_queries_does_not_grow(me, store, customer, django_assert_max_num_queries):
    for number in range(1, 30):
        factories.make_order(
            store, customer, number=str(number), lines=[{"product": factories.make_product(store)}] * 3
        )
    order = factories.make_order(store, customer, number="big", lines=[{}] * 20)
    for _ in range(3):
        factories.make_refund(order)

    with django_assert_max_num_queries(7):
        assert 'rel="next"' in page(me, "orders/")
    with django_assert_max_num_queries(13):
        page(me, "orders/big/")
