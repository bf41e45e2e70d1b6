import pytest
from django.urls import reverse

from crm.events.models import Event
from crm.shipping.models import ShipmentItem, Status, TrackingEvent
from crm.stores.models import Membership
from tests.factories import NOW, make_customer, make_order, make_shipment, make_staff, make_store, sign_in

ROLE = Membership.Role


@pytest.fixture
def shipment(store):
    order = make_order(store, make_customer(store), lines=[{"name": "Brass diya"}])
    shipment = make_shipment(order, number="JD77")
    TrackingEvent.objects.create(shipment=shipment, status=Status.SHIPPED, occurred_at=NOW)
    ShipmentItem.objects.create(shipment=shipment, line_item=order.line_items.get(), quantity=1)
    return shipment


def enter(client, shipment, rewritten="", **event):
    """Fill in the page's form with one new line of what happened, and try to change the old one."""
    old = shipment.events.get()
    fields = {
        "occurred_at_0": "2026-06-16",
        "occurred_at_1": "10:00:00",
        "status": "in_transit",
        "text": "",
        "place": "",
    } | event
    data = {
        "expected_from": "", "expected_until": "2026-06-20",
        "items-TOTAL_FORMS": 0, "items-INITIAL_FORMS": 0,
        "events-TOTAL_FORMS": 2, "events-INITIAL_FORMS": 1,
        "events-0-id": old.pk, "events-0-shipment": shipment.pk, "events-0-text": rewritten,
    } | {f"events-1-{name}": value for name, value in fields.items()}  # fmt: skip
    return client.post(reverse("admin:shipping_shipment_change", args=[shipment.pk]), data)


def test_staff_see_a_parcel_with_its_items_and_what_happened(client, store, shipment):
    client.force_login(make_staff(store, ROLE.VIEWER))

    page = client.get(reverse("admin:shipping_shipment_change", args=[shipment.pk])).content.decode()

    assert "JD77" in page and "Brass diya" in page and "/t/" in page
    assert "JD77" in client.get(reverse("admin:shipping_shipment_changelist")).content.decode()


def test_staff_enter_what_the_carrier_said(client, store, shipment):
    client.force_login(make_staff(store, ROLE.AGENT))

    assert enter(client, shipment, status="out_for_delivery", place="Pune").status_code == 302

    shipment.refresh_from_db()
    assert shipment.status == Status.OUT_FOR_DELIVERY and str(shipment.expected_until) == "2026-06-20"
    assert shipment.events.get(place="Pune").source == TrackingEvent.Source.STAFF
    assert Event.objects.get(type="shipment.out_for_delivery").order == shipment.order


def test_what_was_entered_is_not_changed(client, store, shipment):
    client.force_login(make_staff(store, ROLE.OWNER))

    enter(client, shipment, rewritten="rewritten")

    assert shipment.events.order_by("pk")[0].text == ""


def test_a_viewer_and_staff_of_another_store_enter_nothing(client, store, shipment):
    for user in (make_staff(store, ROLE.VIEWER), make_staff(make_store(), ROLE.OWNER)):
        client.force_login(user)
        assert enter(client, shipment).status_code in (302, 403)
        assert shipment.events.count() == 1


def test_the_portals_order_page_leads_to_the_parcels(client, store, shipment):
    sign_in(client, shipment.order.customer.email)

    page = client.get(reverse("portal-order", args=[store.slug, shipment.order.number])).content.decode()

    assert "JD77" in page and "/t/" in page
