"""Points for what the connector finds in a shop, through its own way in."""

from decimal import Decimal

import pytest

from crm.events import recording
from crm.orders.models import Order
from crm.woocommerce.saving.refunds import save_refunds
from crm.work import drain
from loyalty.models import Account, LedgerEntry
from tests.factories import NOW, make_customer, make_line, make_order, make_program, make_refund, make_store

pytestmark = pytest.mark.django_db


def refund_payload(refund, line, total):
    stamp = f"{NOW:%Y-%m-%dT%H:%M:%S}"
    return {
        "id": refund.woo_id, "parent_id": refund.order.woo_id, "date_created": stamp, "date_created_gmt": stamp,
        "amount": str(refund.amount), "reason": "", "refunded_by": 1, "refunded_payment": False, "meta_data": [],
        "line_items": [
            {
                "id": refund.woo_id + 1, "name": line.name, "product_id": 0, "variation_id": 0, "quantity": -1, "total": total,
                "total_tax": "0.00", "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": str(line.woo_id)}],
            }
        ],
        "shipping_lines": [], "tax_lines": [], "fee_lines": [],
    }  # fmt: skip


def test_a_refunds_lines_set_right_what_its_amount_alone_had_taken_back():
    store = make_store()
    make_program(store)
    customer = make_customer(store)
    order = make_order(store, customer, total=Decimal("150.00"), shipping_total=Decimal("50.00"))
    line = make_line(order)
    recording.record("order.paid", store, order.woo_id, order=order, customer=customer, occurred_at=NOW)
    # The order names a refund of 60; what it was for is read later.
    refund = make_refund(order, amount=Decimal("60.00"))
    recording.record("order.refunded", store, refund.woo_id, order=order, customer=customer, occurred_at=NOW)
    drain.drain_all()
    early = Account.objects.get(customer=customer).balance

    saved = save_refunds(store, [refund_payload(refund, line, "-10.00")], NOW)
    save_refunds(store, [refund_payload(refund, line, "-10.00")], NOW)
    drain.drain_all()

    assert not saved.kept_aside
    assert early == 60  # 60 of 150 paid back is two fifths of the 100 points
    assert Account.objects.get(customer=customer).balance == 90  # 10 for the goods, 50 for the shipping
    assert list(LedgerEntry.objects.order_by("pk").values_list("points", flat=True)) == [60, 30]
    assert Order.objects.get().refunds.count() == 1
