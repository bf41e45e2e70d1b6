"""The tracking page and the form that leads to it."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from crm.shipping import answers, pages, parcels
from crm.shipping.models import ShipmentItem, Status, TrackingEvent
from crm.stores import links
from tests.factories import (
    NOW,
    make_category,
    make_customer,
    make_line,
    make_order,
    make_shipment,
    make_store,
    tracking_meta,
)

SHIPPING = {"address_1": "14 Laxmi Road", "city": "Pune", "postcode": "411 030", "country": "IN"}


@pytest.fixture
def store(db):
    return make_store(
        slug="masala", name="Masala House", contact_email="help@masala.example", contact_phone="020 998877"
    )


@pytest.fixture
def order(store):
    customer = make_customer(store, email="asha@mail.example")
    return make_order(
        store,
        customer,
        number="1234",
        shipping=SHIPPING,
        lines=[{"name": "Masala Chai"}, {"name": "Brass diya", "quantity": 2}],
    )


def page_of(client, order):
    answer = client.get(pages.path(order))
    assert answer.status_code == 200
    return answer.content.decode()


def parcel(order, status, *lines, **fields):
    if status == Status.DELIVERED:
        fields.setdefault("delivered_at", NOW)
    shipment = make_shipment(order, status=status, **fields)
    for line in lines or order.line_items.all():
        ShipmentItem.objects.create(shipment=shipment, line_item=line, quantity=line.quantity)
    return shipment


@pytest.mark.parametrize(
    ("fields", "headline"),
    [
        ({"status": "pending", "is_paid": False, "date_paid_gmt": None}, "We are waiting for your payment"),
        ({"status": "on-hold", "is_paid": False}, "Your order is on hold"),
        ({"status": "failed", "is_paid": False}, "The payment did not go through"),
        ({"status": "processing"}, "Paid: we are packing your order"),
        ({"status": "packed"}, "Packed and ready to leave"),
        ({"status": "made-up-by-a-plug-in"}, "Paid: we are packing your order"),
        ({"status": "made-up-by-a-plug-in", "is_paid": False}, "We have your order"),
        ({"status": "completed"}, "Your order is complete"),
        ({"status": "cancelled"}, "This order was cancelled"),
        ({"status": "refunded"}, "This order was refunded"),
        ({"status": "completed", "refunded_total": Decimal(100)}, "This order was refunded"),
        ({"status": "processing", "shipping": {}}, "Paid: thank you"),
        ({"status": "completed", "shipping": {}}, "Your order is complete"),
    ],
)
def test_an_order_without_a_parcel_is_answered_in_words(client, store, fields, headline):
    order = make_order(store, lines=[{}], **{"shipping": SHIPPING} | fields)

    assert f">{headline}</h1>" in page_of(client, order)


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        ([Status.LABEL], "Announced to the carrier"),
        ([Status.SHIPPED], "Shipped: your parcel is on its way"),
        ([Status.IN_TRANSIT], "On its way to you"),
        ([Status.OUT_FOR_DELIVERY], "Out for delivery today"),
        ([Status.DELIVERED], "Delivered on Mon, 15 June 2026"),
        ([Status.DELIVERED, Status.SHIPPED], "Partly delivered: 1 of 2 parcels"),
        ([Status.DELIVERED, Status.DELIVERED], "Delivered on Mon, 15 June 2026"),
        ([Status.CUSTOMS], "Waiting at customs"),
        ([Status.DELAYED], "Delayed"),
        ([Status.PICKUP], "Ready to be collected"),
        ([Status.ATTEMPT_FAILED], "Delivery was attempted, but nobody was there"),
        ([Status.EXCEPTION], "Held up on the way"),
        ([Status.DELIVERED, Status.LOST], "One of your parcels: Lost on the way"),
        ([Status.RETURNED], "Back with us"),
    ],
)
def test_parcels_are_answered_in_words(client, order, states, headline):
    first, second = order.line_items.order_by("pk")
    for status, lines in zip(states, [[first], [second]] if len(states) == 2 else [[first, second]], strict=True):
        parcel(order, status, *lines)

    assert headline in page_of(client, order)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("language", ["en", "hi", "mr"])
def test_every_state_has_an_answer_and_one_current_step_in_every_language(client, order, status, language):
    parcel(order, status)

    page = client.get(pages.path(order), headers={"Accept-Language": language}).content.decode()

    assert f'<html lang="{language}">' in page
    assert page.count("<h1") == 1
    assert page.count('aria-current="step"') == (0 if status == Status.DELIVERED else 1)


def test_a_carriers_own_date_is_the_answer(client, order):
    parcel(order, Status.IN_TRANSIT, expected_from=date(2026, 6, 18), expected_until=date(2026, 6, 19))

    assert "expected Thu, 18 June 2026 – Fri, 19 June 2026" in page_of(client, order)


def test_what_is_not_sent_yet_is_said(client, order):
    parcel(order, Status.SHIPPED, order.line_items.order_by("pk")[0])

    page = page_of(client, order)

    assert "Part of your order is on its way" in page
    assert page.index("Not sent yet") < page.rindex("Brass diya")


def test_the_page_shows_parcels_items_numbers_events_and_ways_to_ask(client, store, order):
    make_category(store, name="Tea & more", slug="tea", count=3)
    make_category(store, name="Empty", slug="empty", count=0)
    shipment = parcel(order, Status.IN_TRANSIT, number="JD77", url="https://www.dhl.com/x?n=JD77")
    TrackingEvent.objects.create(shipment=shipment, status=Status.SHIPPED, occurred_at=NOW)
    TrackingEvent.objects.create(
        shipment=shipment, status=Status.IN_TRANSIT, occurred_at=NOW + timedelta(hours=5), text="Sorted", place="Nagpur"
    )

    page = page_of(client, order)

    for expected in (
        "Tea &amp; more",
        "/product-category/tea/",
        "Masala Chai",
        "JD77",
        "See it at DHL",
        "mailto:help@masala.example",
        "tel:020998877",
    ):
        assert expected in page
    assert "Empty" not in page
    assert page.index("Sorted, Nagpur") < page.rindex("Shipped")


def test_the_address_is_masked_and_nothing_personal_is_told(client, order):
    page = page_of(client, order)

    assert "41••••• Pune, India" in page
    for secret in ("asha@mail.example", "Laxmi", "411 030", "Kulkarni"):
        assert secret not in page


def test_what_the_shop_wrote_is_text_and_nothing_else(client, order):
    make_line(order, name="<script>alert(1)</script>", image_url="javascript:alert(1)")
    parcel(order, Status.SHIPPED, carrier_name="<b>DHL</b>", number='"><img>')

    page = page_of(client, order)

    assert "<script>" not in page and "<b>DHL" not in page and "<img>" not in page and "javascript:" not in page


def test_a_parcel_that_the_shop_took_back_is_not_shown(client, order):
    parcel(order, Status.SHIPPED, number="GONE1", removed_at=NOW)

    assert "GONE1" not in page_of(client, order)


def test_the_page_costs_the_same_for_any_number_of_parcels(client, store, order, django_assert_num_queries):
    parcel(order, Status.SHIPPED)
    with django_assert_num_queries(7) as one:
        page_of(client, order)
    big = make_order(store, order.customer, shipping=SHIPPING, lines=[{} for _n in range(12)])
    for line in big.line_items.all():
        TrackingEvent.objects.create(shipment=parcel(big, Status.SHIPPED, line), status=Status.SHIPPED)

    with django_assert_num_queries(len(one)):
        page_of(client, big)


def test_looking_changes_nothing_and_is_not_kept_by_caches(client, order):
    answer = client.get(pages.path(order))

    assert "no-store" in answer["Cache-Control"]
    assert client.post(pages.path(order)).status_code == 405


def test_a_deleted_order_gives_a_neutral_page(client, order):
    path = pages.path(order)
    order.deleted_at = NOW
    order.save(update_fields=["deleted_at"])

    answer = client.get(path)

    assert answer.status_code == 410 and b"1234" not in answer.content


def test_an_old_or_damaged_link_offers_the_form(client, order):
    path = pages.path(order)

    for broken in (path[:-6] + "/", path.rstrip("/") + "x/"):
        answer = client.get(broken)
        assert answer.status_code == 404
        assert b"This link no longer works" in answer.content and b"Masala House" in answer.content
    with time_machine.travel(timezone.now() + timedelta(days=181), tick=False):
        assert b"This link no longer works" in client.get(path).content
    assert client.get("/t/nonsense/").status_code == 404


def test_a_link_of_another_purpose_or_store_opens_nothing(client, order):
    token = links.make("preferences", order.store_id, order.pk)
    assert b"1234" not in client.get(f"/t/{token}/").content
    token = links.make("track", make_store().pk, order.pk)
    assert client.get(f"/t/{token}/").status_code == 410


# --- without a link ---


def look_up(client, number="1234", proof="asha@mail.example", slug="masala"):
    return client.post(f"/s/{slug}/track/", {"number": number, "proof": proof})


@pytest.mark.parametrize("number", ["1234", " #1234 "])
@pytest.mark.parametrize("proof", ["asha@mail.example", " Asha@Mail.example ", "411030", "411 030"])
def test_number_and_address_or_postcode_lead_to_the_order(client, order, number, proof):
    answer = look_up(client, number, proof)

    assert answer.status_code == 302
    assert b"1234" in client.get(answer["Location"]).content


def test_what_was_wrong_is_not_said(client, store, order):
    other = make_order(make_store(slug="other"), make_customer(store, email="x@mail.example"), number="99")
    wrong = [
        look_up(client, "1234", "ben@mail.example"),
        look_up(client, "4321"),
        look_up(client, other.number, "x@mail.example"),
    ]

    pages_seen = {strip(answer) for answer in wrong}

    assert len(pages_seen) == 1 and "We found no order" in pages_seen.pop()


def strip(answer):
    """The page without what was typed and the form's own token."""
    return re.sub(r'value="[^"]*"', "", answer.content.decode())


def test_an_order_without_address_and_postcode_is_found_by_nothing(client, store):
    make_order(store, number="7", billing={}, shipping={}, billing_email="")

    assert look_up(client, "7", " ").status_code == 200
    assert look_up(client, "7", "-").status_code == 200


def test_guessing_ends_soon(client, order):
    tries = [look_up(client, proof=f"{n:06}").status_code for n in range(9)]

    assert tries == [200] * 8 + [429]
    # Not even the right answer helps now, or the limit would tell that it was right.
    assert look_up(client).status_code == 429
    assert b"Too many attempts" in look_up(client).content


def test_the_form_needs_its_token(order):
    assert look_up(Client(enforce_csrf_checks=True)).status_code == 403


def test_an_empty_form_names_what_is_missing(client, store):
    page = look_up(client, "", "").content.decode()

    assert page.count('aria-invalid="true"') == 2


# --- merchants ---


def test_the_api_lists_parcels_with_items_and_events(api):
    order = make_order(api.store, lines=[{}], meta_data=tracking_meta())
    parcels.read(api.store, [order])
    make_shipment(make_order(make_store()))

    [row] = api.get(f"/api/v1/shipments/?order={order.pk}&status=shipped").json()["results"]

    assert (row["number"], row["carrier"], row["order"]) == ("JD0001", "dhl", order.pk)
    assert row["items"][0]["quantity"] == "1" and row["events"][0]["status"] == "shipped"
    assert api.get("/api/v1/shipments/?status=delivered").json()["results"] == []
    assert len(api.get("/api/v1/shipments/").json()["results"]) == 1


def test_steps_say_what_is_done_in_order(store, order):
    steps = answers.order_steps(store, order)

    assert [step.state for step in steps] == ["done", "now", "todo", "todo", "todo"]
