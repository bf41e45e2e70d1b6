"""What waits for the shop together, and what does not have to; requests that hang for longer than anybody waits."""

from collections import defaultdict
from datetime import timedelta

import pytest

from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.woocommerce.pushes.waiting import HANGS, SLOW
from crm.work import drain
from postpurchase.demo.web import Response, json_response
from tests.factories import NOW

pytestmark = pytest.mark.django_db
NO = {"code": "woocommerce_rest_cannot_create", "message": "Sorry, you are not allowed to create resources."}


@pytest.fixture(autouse=True)
def nobody_else_hears(monkeypatch):
    monkeypatch.setattr(push, "_CONFIRMED", defaultdict(list))
    monkeypatch.setattr(push, "_REFUSED", defaultdict(list))


@pytest.fixture
def number(demo):
    """Of an order in the shop."""
    row = demo.shop.place_order(email="asha@mail.example")
    demo.shop.pay(row["id"])
    return row["id"]


def owe(store, kind, key, **payload):
    return push.queue(store, kind, key, payload, at=NOW)


def note(store, number, key="1", text="On its way"):
    return owe(store, "order_note", key, order=number, note=text)


def coupon(store, key):
    return owe(store, "coupon", key, code=f"TEA-{key}", discount_type="percent", amount="10")


def outcomes(*rows):
    for row in rows:
        row.refresh_from_db()
    return [row.outcome for row in rows]


@pytest.mark.parametrize(("status", "body"), [(403, NO), (401, NO), (403, None)], ids=["403", "401", "a firewall's"])
def test_a_kind_that_the_shop_forbids_waits_alone_and_is_asked_for_once(demo, shop_store, number, status, body):
    asked = []

    def forbid(request, response):
        if request.path.endswith("/notes") and request.method == "POST":
            asked.append(request.path)
            return json_response(body, status) if body else Response(status, b"<h1>Forbidden")
        return None

    demo.faults.append(forbid)
    notes = [note(shop_store, number, key) for key in "12"]
    coupons = [coupon(shop_store, key) for key in "12"]

    drain.drain(Push, at=NOW)

    assert outcomes(*notes, *coupons) == ["queued", "queued", "confirmed", "confirmed"]
    assert len(asked) == 1 and all(row.waits_for_shop for row in notes)
    # Who comes later is not held up either.
    later = NOW + timedelta(seconds=1)
    newcomer = push.queue(
        shop_store, "coupon", "3", {"code": "T3", "discount_type": "percent", "amount": "1"}, at=later
    )
    drain.drain(Push, at=later)
    assert outcomes(newcomer) == ["confirmed"] and len(asked) == 1
    demo.faults.clear()
    drain.drain(Push, at=max(row.due_at for row in notes))
    assert outcomes(*notes) == ["confirmed", "confirmed"]


def test_keys_that_may_not_even_read_hold_up_everything(demo, shop_store, number):
    demo.faults.append(lambda request, response: json_response(NO, 403))
    rows = [note(shop_store, number), coupon(shop_store, "1")]

    drain.drain(Push, at=NOW)

    outcomes(*rows)
    assert all(row.waits_for_shop and row.due_at > NOW for row in rows)


def test_a_request_that_hangs_for_half_an_hour_and_works_in_the_end_is_not_made_twice(demo, shop_store, number):
    hanging = []

    def hang(request):
        """The request is swallowed; whoever waits hears nothing."""
        if request.method == "POST" and request.path.endswith("/notes") and not hanging:
            hanging.append(request)
            return Response(504, b"<html>504 Gateway Time-out")
        return None

    demo.refusals.append(hang)
    row = note(shop_store, number)
    for minutes in range(0, 31, 5):
        drain.drain(Push, at=NOW + timedelta(minutes=minutes))
    assert outcomes(row) == ["sent"]
    demo.refusals.clear()
    assert demo.answer(hanging[0]).status == 201
    drain.drain(Push, at=NOW + HANGS + timedelta(minutes=1))

    assert outcomes(row) == ["confirmed"]
    assert sum(held["note"] == "On its way" for held in demo.shop.notes(number)) == 1


def test_a_request_that_was_lost_is_made_again_once_it_can_hang_no_longer(demo, shop_store, number):
    lost = [Response(504, b"")]
    demo.refusals.append(lambda request: lost.pop() if lost and request.path.endswith("/notes") else None)
    row = note(shop_store, number)
    drain.drain(Push, at=NOW)
    row.refresh_from_db()
    assert row.due_at <= NOW + SLOW

    drain.drain(Push, at=NOW + SLOW)
    row.refresh_from_db()
    assert (row.state, row.outcome, row.due_at) == ("due", "sent", NOW + HANGS)
    drain.drain(Push, at=NOW + HANGS)

    assert outcomes(row) == ["confirmed"]


def test_a_shop_that_refuses_the_connection_has_nothing_at_work(demo, shop_store, number):
    row = note(shop_store, number)
    url = shop_store.url
    type(shop_store).objects.filter(pk=shop_store.pk).update(url="http://127.0.0.1:1")
    drain.drain(Push, at=NOW)
    assert outcomes(row) == ["queued"] and row.sent_at is None
    type(shop_store).objects.filter(pk=shop_store.pk).update(url=url)

    drain.drain(Push, at=row.due_at)

    assert outcomes(row) == ["confirmed"]
