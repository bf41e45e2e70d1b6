"""What was given back as store credit is not refunded as money too, whichever way the shop is asked."""

import itertools
import uuid
from decimal import Decimal

import pytest
from django.utils.html import strip_tags

from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import adjusting, paid
from tests.factories import NOW, make_customer, make_order, make_staff, make_store
from tests.loyalty.rewards.taking import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(store):
    return make_order(store, make_customer(store))


def give(order, amount, **fields):
    return adjusting.refund(order, Decimal(amount), "Sorry", make_staff(order.store), **fields)


def payload(order, amount):
    return {"order": order.woo_id, "amount": amount, "reason": "", "api_refund": False, "api_restock": False}


def refunds():
    return list(Push.objects.filter(kind="refund").values_list("payload__amount", flat=True))


def test_the_refund_form_knows_what_was_given_back_as_credit_or_waits_for_it(client, order):
    give(order, "30")
    give(order, "10", waits=True)
    client.force_login(make_staff(order.store))
    url = f"/admin/orders/order/{order.pk}/refund/"

    def sent(amount):
        cause = uuid.uuid4()
        return [client.post(url, {"amount": amount, "cause": cause, "confirmed": "on"}) for _click in range(2)]

    said = "₹40.00 was given back as store credit, or waits for approval; at most ₹60.00 is left."
    assert said in strip_tags(sent("60.01")[0].content.decode())
    assert [answer.status_code for answer in sent("60")] == [302, 302]
    # On its way by now, and not yet in the mirror.
    assert "at most ₹0.00 is left" in sent("0.01")[0].content.decode()
    assert refunds() == ["60"]


def test_a_program_can_not_refund_it_either(api_client, order):
    give(order, "100")
    api = api_client(order.store)
    answer = api.post("/api/v1/pushes/", {"kind": "refund", "payload": payload(order, "0.01")})
    assert (answer.status_code, refunds()) == (400, [])
    assert "₹100.00 was given back as store credit" in str(answer.json())


def test_a_refund_tried_again_after_credit_was_given_is_not_sent(at_shop):
    order = make_order(at_shop.store, at_shop.customer)
    row = push.queue(order.store, "refund", "r", payload(order, "70"))
    Push.objects.filter(pk=row.pk).update(state="parked", outcome="refused")
    give(order, "40")
    Push.objects.filter(pk=row.pk).retry(NOW)
    drain.drain(Push)

    row.refresh_from_db()
    assert (row.outcome, row.sent_at) == ("refused", None)
    assert "at most ₹60.00 is left" in row.error


@pytest.mark.django_db(transaction=True)
def test_at_once_as_money_and_as_credit_no_more_than_was_paid_goes_back():
    store = make_store()
    order, by = make_order(store, make_customer(store)), make_staff(store)
    turns = itertools.count()

    def back():
        turn = next(turns)
        try:
            if turn % 2:
                push.queue(store, "refund", str(turn), payload(order, "30"))
            else:
                adjusting.refund(order, Decimal(30), "Sorry", by)
        except (paid.CannotGiveBack, push.BadPayload):
            return 0
        return 1

    # Without credit the shop itself is the judge of what it is asked to refund.
    give(order, "10")
    assert sum(at_once(12, back)) == 3
    assert paid.left(order) == 0
