"""From the shop's meta data to shipments, events and mails."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.events import recording
from crm.events.models import Event
from crm.messaging.models import Message
from crm.shipping import carriers, parcels, progress, tracking_meta
from crm.shipping.models import Shipment, ShipmentItem, ShippingSettings, Status, TrackingEvent
from crm.stores.models import Store
from crm.work import drain
from tests.factories import NOW, make_customer, make_order, make_shipment, make_store
from tests.factories import tracking_meta as meta

KOLKATA = ZoneInfo("Asia/Kolkata")
RECORDING = Path(__file__).parents[2] / "recordings" / "woocommerce" / "order-tracked.json"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "value", "tracking_number", "tracking_id", "date_shipped", "qty"]), inner
        )
    ),
    max_leaves=12,
)


@pytest.fixture
def order(store):
    customer = make_customer(store, email="asha@mail.example")
    lines = [{"name": "Masala Chai", "quantity": 2}, {"name": "Brass diya"}]
    return make_order(
        store, customer, lines=lines, number="1234", meta_data=meta(), shipping={"address_1": "1", "city": "Pune"}
    )


def happened(order, type="order.updated", key="1"):
    recording.record(type, order.store, f"{order.woo_id}:{key}", customer=order.customer, order=order)
    drain.drain_all()


def types():
    return list(Event.objects.filter(type__startswith="shipment.").order_by("pk").values_list("type", flat=True))


# --- what the plug-in wrote ---


def test_a_recorded_order_has_its_parcel():
    payload = json.loads(json.loads(RECORDING.read_text())["body"])

    [parcel] = tracking_meta.parcels(payload["meta_data"], KOLKATA)

    assert (parcel.key, parcel.number) == ("83f1535f99ab0bf4e9d02dfd85d3e3f7", "RR000000001IN")
    assert (parcel.carrier, parcel.carrier_name) == ("dhl", "DHL")
    assert parcel.shipped_at == datetime.fromtimestamp(1762667578, UTC)
    assert parcel.url.endswith("tracking-id=RR000000001IN")


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("1762667578", "2025-11-09T05:52:58+00:00"),
        (1762667578, "2025-11-09T05:52:58+00:00"),
        # Midnight UTC is how the plug-in writes a day; in New York that would be the day before.
        ("1762646400", "2025-11-09T17:00:00+00:00"),
        ("2025-11-09", "2025-11-09T17:00:00+00:00"),
        ("", None),
        (None, None),
        ("soon", None),
        ("99999999999999999999", None),
        ("2025-13-45", None),
        ([], None),
    ],
)
def test_the_plug_ins_dates_are_understood(value, day):
    moment = tracking_meta.moment(value, ZoneInfo("America/New_York"))

    assert (moment and moment.isoformat()) == day


@given(JSON)
def test_meta_data_of_any_shape_is_read_without_an_error(value):
    tracking_meta.parcels(value, KOLKATA)
    tracking_meta.parcels([{"key": tracking_meta.KEY, "value": value}], KOLKATA)
    tracking_meta.parcels([{"key": tracking_meta.KEY, "value": [value]}], KOLKATA)


def test_the_shops_own_link_wins_if_it_is_a_web_address():
    def url(link):
        item = meta({"custom_tracking_link": link, "tracking_number": "A/1"})
        return tracking_meta.parcels(item, KOLKATA, "411 030")[0].url

    assert url("https://track.example/?n=%1$s&p=%2$s") == "https://track.example/?n=A%2F1&p=411%20030"
    assert url("javascript:alert(1)").startswith("https://www.dhl.com/")
    assert url("//evil.example/").startswith("https://www.dhl.com/")
    assert url('https://x.example/"onload=').startswith("https://www.dhl.com/")


@pytest.mark.parametrize(
    ("said", "slug", "name"),
    [
        ("dhl", "dhl", "DHL"),
        ("India Post", "india-post", "India Post"),
        ("bluedart", "blue-dart", "Blue Dart"),
        ("DTDC", "dtdc", "DTDC"),
        ("Royal Mail", "royal-mail", "Royal Mail"),
        ("Uncle Ravi’s Van", "", "Uncle Ravi’s Van"),
        ("", "", ""),
    ],
)
def test_carriers_are_known_by_the_names_plug_ins_use(said, slug, name):
    assert carriers.find(said) == (slug, name)


def test_every_carriers_address_takes_a_number():
    for slug in carriers.CARRIERS:
        assert "A%2F1" in carriers.tracking_url(slug, "A/1")


# --- reading ---


def test_reading_keeps_the_parcel_with_all_of_the_order_in_it(store, order):
    [shipment] = parcels.read(store, [order])

    assert (shipment.number, shipment.carrier, shipment.status) == ("JD0001", "dhl", Status.SHIPPED)
    assert list(shipment.items.order_by("pk").values_list("quantity", flat=True)) == [Decimal(2), Decimal(1)]
    assert shipment.events.get().source == TrackingEvent.Source.SHOP


def test_reading_again_changes_nothing(store, order):
    parcels.read(store, [order])
    before = list(Shipment.objects.values()), list(ShipmentItem.objects.values()), list(TrackingEvent.objects.values())

    parcels.read(store, [order], NOW + timedelta(days=1))

    assert before == (
        list(Shipment.objects.values()), list(ShipmentItem.objects.values()), list(TrackingEvent.objects.values())
    )  # fmt: skip


def test_a_second_parcel_takes_back_what_was_assumed_of_the_first(store, order):
    parcels.read(store, [order])
    order.meta_data = meta({}, {"tracking_id": "def", "tracking_number": "JD0002"})

    assert len(parcels.read(store, [order])) == 2
    assert ShipmentItem.objects.count() == 0


def test_items_that_the_plug_in_names_are_kept(store, order):
    chai, diya = order.line_items.order_by("pk")
    one = {"products_list": [{"item_id": str(chai.woo_id), "qty": "1"}]}
    two = {"tracking_id": "def", "tracking_number": "2", "products_list": {"3": {"item_id": diya.woo_id, "qty": 5}}}
    order.meta_data = meta(one, two)

    parcels.read(store, [order])

    assert set(ShipmentItem.objects.values_list("line_item", "quantity")) == {
        (chai.pk, Decimal(1)),
        (diya.pk, Decimal(1)),
    }


def test_a_parcel_that_the_shop_takes_back_is_marked_and_may_return(store, order):
    parcels.read(store, [order])
    given, order.meta_data = order.meta_data, []
    parcels.read(store, [order], NOW)
    assert Shipment.objects.get().removed_at == NOW

    order.meta_data = given
    parcels.read(store, [order])
    assert Shipment.objects.get().removed_at is None


def test_a_new_key_for_the_same_number_is_the_same_parcel(store, order):
    parcels.read(store, [order])
    order.meta_data = meta({"tracking_id": "other"})

    parcels.read(store, [order])

    assert Shipment.objects.get().removed_at is None


def test_any_number_of_orders_costs_the_same(store, django_assert_num_queries):
    few = [make_order(store, lines=[{}], meta_data=meta()) for _n in range(2)]
    many = [
        make_order(store, lines=[{}, {}], meta_data=meta({}, {"tracking_id": "d", "tracking_number": "2"}))
        for _n in range(20)
    ]
    many.append(make_order(store, lines=[{}], meta_data=meta()))
    with django_assert_num_queries(9) as first:
        parcels.read(store, few)

    with django_assert_num_queries(len(first)):
        parcels.read(store, many)


# --- telling ---


def test_a_parcel_that_leaves_is_told_and_mailed_once(store, order, mailoutbox):
    happened(order, key="1")
    happened(order, key="2")

    assert types() == ["shipment.shipped"]
    [mail] = mailoutbox
    assert mail.subject == "On its way: your order 1234"
    for words in (mail.body, mail.alternatives[0][0]):
        assert "JD0001" in words and "Masala Chai" in words and "/t/" in words and "DHL" in words
    assert Message.objects.get().kind == "shipped"


def test_each_parcel_of_a_split_order_has_its_mail(store, order, mailoutbox):
    happened(order, key="1")
    order.meta_data = meta({}, {"tracking_id": "def", "tracking_number": "JD0002"})
    order.save(update_fields=["meta_data"])
    happened(order, key="2")

    assert len(mailoutbox) == 2
    assert "Parcel 2 of 2" in mailoutbox[1].body and "JD0001" not in mailoutbox[1].body


def test_a_parcel_from_before_the_shop_was_connected_is_history(order, mailoutbox):
    Store.objects.update(announce_from=NOW + timedelta(days=2))
    happened(order)

    assert Shipment.objects.count() == 1
    assert types() == [] and mailoutbox == []


def test_a_parcel_that_came_with_the_import_stays_silent_on_the_day_of_the_connection(store, order, mailoutbox):
    Store.objects.update(announce_from=order.date_created_gmt + timedelta(minutes=1))
    parcels.read_history_of(Store.objects.get(), NOW)
    happened(order, key="1")
    assert Shipment.objects.count() == 1
    assert types() == [] and mailoutbox == []

    order.meta_data = meta({}, {"tracking_id": "def", "tracking_number": "JD0002"})
    order.save(update_fields=["meta_data"])
    happened(order, key="2")

    assert types() == ["shipment.shipped"]
    [mail] = mailoutbox
    assert "JD0002" in mail.body


def test_reading_history_first_does_not_swallow_the_news(store, order, mailoutbox):
    parcels.read_history_of(store, NOW)
    happened(order)

    assert types() == ["shipment.shipped"] and len(mailoutbox) == 1


def test_a_completed_order_is_delivered(store, order):
    happened(order)
    order.status, order.date_completed_gmt = "completed", NOW + timedelta(days=3)
    order.save(update_fields=["status", "date_completed_gmt"])
    happened(order, "order.completed")

    shipment = Shipment.objects.get()
    assert (shipment.status, shipment.delivered_at) == (Status.DELIVERED, NOW + timedelta(days=3))
    assert types() == ["shipment.shipped", "shipment.delivered"]


def test_a_store_may_say_that_completed_is_not_delivered(store, order):
    ShippingSettings.objects.create(store=store, completed_means_delivered=False)
    order.status = "completed"
    order.save(update_fields=["status"])
    happened(order, "order.completed")

    assert Shipment.objects.get().status == Status.SHIPPED


def test_imported_orders_are_read_silently_in_pages(store, monkeypatch):
    monkeypatch.setattr(parcels, "HISTORY_PAGE", 2)
    for _n in range(5):
        make_order(store, lines=[{}], meta_data=meta(), status="completed", date_completed_gmt=NOW)
    fresh = make_order(store, lines=[{}], meta_data=meta(), synced_at=datetime.now(UTC))

    parcels.read_history()

    assert Shipment.objects.count() == 5
    assert set(Shipment.objects.values_list("status", flat=True)) == {Status.DELIVERED}
    assert not Event.objects.exists() and not Message.objects.exists()
    # One whose page may not have settled waits for the next time.
    assert not fresh.shipments.exists()


def test_a_store_reads_its_own_orders_only(store, order):
    parcels.read_history_of(make_store(), NOW)

    assert Shipment.objects.count() == 0


# --- moving on ---


def note(shipment, status, hours, **fields):
    return progress.note(
        TrackingEvent(shipment=shipment, status=status, occurred_at=NOW + timedelta(hours=hours), **fields)
    )


def test_events_move_a_parcel_by_their_own_time(order):
    shipment = make_shipment(order)
    note(shipment, Status.OUT_FOR_DELIVERY, 20)

    assert note(shipment, Status.IN_TRANSIT, 10, text="late news").status == Status.OUT_FOR_DELIVERY
    assert types() == ["shipment.out_for_delivery"]


def test_delivered_stays_delivered_unless_it_comes_back(order):
    shipment = make_shipment(order)
    delivered = note(shipment, Status.DELIVERED, 24)
    assert delivered.delivered_at == NOW + timedelta(hours=24)

    assert note(shipment, Status.IN_TRANSIT, 30).status == Status.DELIVERED
    assert note(shipment, Status.RETURNING, 40).status == Status.RETURNING
    assert types() == ["shipment.delivered"]


def test_the_same_event_is_noted_once(order):
    shipment = make_shipment(order)
    note(shipment, Status.IN_TRANSIT, 1, text="Pune")
    note(shipment, Status.IN_TRANSIT, 1, text="Pune")

    assert shipment.events.count() == 1
