import pytest

from crm.events.recording import record
from tests.factories import NOW, make_customer, make_order, make_store

pytestmark = pytest.mark.django_db


def test_events_are_listed_newest_first_and_filtered_by_type(api):
    customer = make_customer(api.store)
    order = make_order(api.store, customer)
    record("order.created", api.store, order.woo_id, customer=customer, order=order, occurred_at=NOW)
    record(
        "order.paid", api.store, order.woo_id, customer=customer, order=order, data={"total": "100.00"}, occurred_at=NOW
    )
    record("order.paid", make_store(), 1)

    everything = api.get("/api/v1/events/").json()["results"]
    paid = api.get("/api/v1/events/?type=order.paid,order.refunded").json()["results"]

    assert [event["type"] for event in everything] == ["order.paid", "order.created"]
    assert [(event["order"], event["customer"], event["data"]) for event in paid] == [
        (order.pk, customer.pk, {"total": "100.00"})
    ]
