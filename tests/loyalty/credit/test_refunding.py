"""Money of an order is given back as store credit: at most what was paid, once, told to the customer and to the shop."""

import itertools
import re
import uuid
from decimal import Decimal

import pytest
from django.core import mail

from crm.events import recording
from crm.messaging.models import Message
from crm.orders.models import Order, Refund
from crm.woocommerce.models import Push
from crm.woocommerce.pushes.refunds import reference
from crm.work import drain
from loyalty import adjusting, paid, proof
from loyalty.models import Adjustment, CreditAccount, LedgerEntry
from tests.factories import (
    NOW,
    make_credit,
    make_customer,
    make_order,
    make_program,
    make_staff,
    make_store,
    make_ticket,
    sign_in,
)
from tests.loyalty.rewards.taking import at_once
from tests.loyalty.rewards.test_killed import Deaths

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    store = make_store(slug="masala", name="Masala House")
    return make_order(store, make_customer(store, email="asha@mail.example"), number="1234")


@pytest.fixture
def owner(client, order):
    client.force_login(make_staff(order.store))
    return client


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def ask(client, order, amount="40.00", key=None, reason="The cup was broken"):
    form = {"amount": amount, "reason": reason, "key": key or uuid.uuid4()}
    return client.post(f"/admin/loyalty/creditaccount/refund/{order.pk}/", form)


def refund(order, amount, by, **fields):
    return adjusting.refund(order, Decimal(amount), "Sorry", by, **fields)


def held():
    assert not list(proof.differences())
    return list(CreditAccount.objects.credit().values_list("balance", flat=True))


def test_an_owner_gives_back_once_for_each_form_and_everybody_knows(owner, order, client):
    page = f"/admin/orders/order/{order.pk}/change/"
    assert f"/admin/loyalty/creditaccount/refund/{order.pk}/" in owner.get(page).content.decode()
    assert 'value="100.00"' in owner.get(f"/admin/loyalty/creditaccount/refund/{order.pk}/").content.decode()
    key = uuid.uuid4()
    for _click in range(2):
        assert ask(owner, order, key=key).url == page

    assert held() == [4000]
    shown = words(owner.get(page))
    assert "Given back for order 1234: ₹40.00" in shown
    assert "Note on an order" in shown
    note = Push.objects.get()
    assert note.payload["note"] == "₹40.00 was given back as store credit instead of money: The cup was broken"
    assert (note.kind, note.order, note.payload["customer_note"]) == ("order_note", order, False)
    drain.drain_all()
    [sent] = mail.outbox
    assert (sent.to, "It is for your order 1234, instead of money." in sent.body) == (["asha@mail.example"], True)
    sign_in(client, "asha@mail.example")
    assert "Given back for order 1234" in words(client.get("/s/masala/credit/"))


@pytest.mark.parametrize(
    ("amount", "said"),
    [("100.01", "at most ₹100.00"), ("0", "More than nothing"), ("-1", "More than nothing"), ("0.001", "So little")],
)
def test_no_more_than_was_paid(owner, order, amount, said):
    assert said in words(ask(owner, order, amount))
    assert not Adjustment.objects.exists()


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"refunded_total": Decimal(70)}, 30), ({"is_paid": False}, 0), ({"currency": "EUR"}, 0), ({"customer": None}, 0),
        ({"refunded_total": Decimal(120)}, 0), ({"deleted_at": "2026-01-01T00:00Z"}, 0), ({"date_paid_gmt": None}, 0),
        ({"total": Decimal("12.349")}, Decimal("12.34")), ({"total": Decimal("0.009")}, 0),
    ],
)  # fmt: skip
def test_what_was_refunded_or_never_paid_is_not_given_back(owner, order, fields, left):
    Order.objects.update(**fields)
    order.refresh_from_db()
    by = make_staff(order.store)
    assert paid.left(order) == left
    with pytest.raises(paid.CannotGiveBack):
        refund(order, left + 1, by)
    if left:
        refund(order, left, by)
        with pytest.raises(paid.CannotGiveBack):
            refund(order, "0.01", by)


def refund_push(order, amount="70.00", **fields):
    payload = {"order": order.woo_id, "amount": amount, "reason": "", "api_refund": False, "api_restock": False}
    return Push.objects.create(store=order.store, kind="refund", key=str(uuid.uuid4()), payload=payload, **fields)


def test_money_on_its_way_to_the_shop_is_not_given_back_as_credit_too(owner, order):
    waiting = adjusting.refund(order, Decimal(40), "Sorry", make_staff(order.store, "agent"), waits=True)
    row = refund_push(order)
    page, form = f"/admin/orders/order/{order.pk}/change/", f"/admin/loyalty/creditaccount/refund/{order.pk}/"
    assert "A refund of ₹70.00 is on its way to the shop." in words(owner.get(page))
    assert "₹0.00 can be given back. A refund of ₹70.00 is on its way to the shop." in words(owner.get(form))
    assert "A refund of ₹70.00 is on its way" in words(ask(owner, order, "0.01"))
    with pytest.raises(paid.CannotGiveBack, match=r"at most ₹30.00. A refund of ₹70.00"):
        adjusting.approve(waiting, make_staff(order.store))
    refund_push(make_order(order.store, order.customer))
    refund_push(make_order(make_store(), woo_id=order.woo_id))
    adjusting.refuse(waiting, make_staff(order.store))

    def left(**fields):
        Push.objects.filter(pk=row.pk).update(**fields)
        return paid.left(order)

    assert left(state="running", outcome="sent", sent_at=NOW) == 30
    assert left(state="parked", outcome="given_up") == 30, "it may stand in the shop"
    assert left(outcome="refused", sent_at=None) == 100
    assert left(state="done", outcome="withdrawn") == 100
    assert left(outcome="confirmed", woo_id=77, sent_at=NOW) == 30, "the mirror has not heard of it"


@pytest.mark.parametrize("tie", ["number", "reason"])
def test_a_refund_that_the_mirror_holds_is_subtracted_once_and_none_that_is_gone(order, tie):
    row = refund_push(order, state="running", outcome="sent", sent_at=NOW)
    if tie == "number":
        Push.objects.filter(pk=row.pk).update(state="done", outcome="confirmed", woo_id=77)
    held = Refund.objects.create(
        store=order.store, order=order, woo_id=77, amount=70, reason=reference(row) if tie == "reason" else ""
    )
    order.refunded_total = Decimal(70)
    assert paid.left(order) == 30
    if tie == "number":
        held.delete()
        order.refunded_total = Decimal(0)
        assert paid.left(order) == 30
        recording.record("refund.deleted", order.store, 77, order=order, occurred_at=NOW)
        assert paid.left(order) == 100


def test_beyond_the_limit_another_owner_decides_and_the_order_is_looked_at_again(owner, order, client):
    make_program(order.store, credit_limit=30)
    ask(owner, order)
    waiting = Adjustment.objects.get()
    assert (waiting.state, held(), paid.left(order), Push.objects.count()) == ("waiting", [0], 60, 0)
    client.force_login(make_staff(order.store))
    decide = f"/admin/loyalty/adjustment/{waiting.pk}/decide/"
    Order.objects.update(refunded_total=Decimal(61))
    assert "at most ₹39.00" in words(client.post(decide, {"decision": "approve"}, follow=True))
    Order.objects.update(refunded_total=Decimal(60))
    client.post(decide, {"decision": "approve"})

    assert (held(), Push.objects.get().kind, Message.objects.count()) == ([4000], "order_note", 1)
    assert "1234" in words(client.get(f"/admin/loyalty/adjustment/{waiting.pk}/change/"))


def test_an_agent_asks_and_an_owner_decides(client, order):
    client.force_login(make_staff(order.store, "agent"))
    assert ask(client, order).status_code == 302
    asked = Adjustment.objects.get()
    assert (asked.state, held()) == ("waiting", [0])
    adjusting.approve(asked, make_staff(order.store))
    assert held() == [4000]
    client.force_login(make_staff(order.store, "viewer"))
    assert ask(client, order).status_code == 403
    client.force_login(make_staff(make_store()))
    assert ask(client, order).status_code == 404


def test_a_program_gives_back_once_for_its_key(api_client, order):
    make_program(order.store, credit_limit=50)
    api, root = api_client(order.store), "/api/v1/loyalty/credit/refund/"
    asked = {"order": order.pk, "amount": "40.00", "reason": "Broken"}
    first, again = (api.post(root, asked, headers={"Idempotency-Key": "k"}) for _time in range(2))
    waits, refused = api.post(root, asked), api.post(root, asked)
    other = api.post(root, asked | {"order": make_order(make_store()).pk})

    assert (first.status_code, again.json(), first.json()["amount"]) == (201, first.json(), "40.00")
    assert (waits.status_code, waits.json()["order"], waits.json()["state"]) == (202, order.pk, "waiting")
    assert "at most ₹20.00" in str(refused.json())
    assert "no such order" in str(other.json())
    assert held() == [4000]


def test_the_help_desk_has_the_way_to_give_credit(owner, order):
    ticket = make_ticket(order.store, order.customer, order=order)
    make_credit(order.customer, 500)
    page = owner.get(f"/admin/support/ticket/{ticket.pk}/change/").content.decode()
    link = f"/admin/loyalty/creditaccount/add/?store={order.store_id}&amp;email=asha%40mail.example"
    assert link in page.replace("asha@mail", "asha%40mail")
    assert "₹5.00" in page
    form = owner.get(link.replace("&amp;", "&")).content.decode()
    assert 'value="asha@mail.example"' in form
    assert f'value="{order.store_id}" selected' in form


@pytest.mark.parametrize(("role", "links"), [("owner", 2), ("agent", 2), ("viewer", 0)])
def test_the_ways_to_give_credit_are_shown_to_those_who_may(client, order, role, links):
    ticket = make_ticket(order.store, order.customer, order=order)
    client.force_login(make_staff(order.store, role))
    for url in (f"/admin/orders/order/{order.pk}/change/", f"/admin/support/ticket/{ticket.pk}/change/"):
        page = client.get(url).content.decode()
        assert "<h3>Store credit</h3>" in page
        ways = (f"/admin/loyalty/creditaccount/refund/{order.pk}/", "/admin/loyalty/creditaccount/add/?store=")
        assert sum(f'href="{way}' in page for way in ways) == links


@pytest.mark.django_db(transaction=True)
def test_it_is_whole_or_has_not_happened_wherever_the_process_dies(monkeypatch):
    store = make_store()
    order, by = make_order(store, make_customer(store), total=Decimal(1000)), make_staff(store)
    deaths = Deaths(monkeypatch)
    for steps in itertools.count():
        key, before = uuid.uuid4(), sum(held())
        done = deaths.survives(steps, lambda key=key: refund(order, "1", by, key=key))
        assert sum(held()) in (before, before + 100)
        refund(order, "1", by, key=key)
        rows = (LedgerEntry.objects.count(), Push.objects.count(), Message.objects.count())
        assert (sum(held()), rows) == (before + 100, (steps + 1,) * 3), steps
        if done:
            break
    assert steps > 10


@pytest.mark.django_db(transaction=True)
def test_however_many_ask_at_once_no_more_than_was_paid_is_given_back():
    store = make_store()
    order, key = make_order(store, make_customer(store)), uuid.uuid4()
    people = [make_staff(store) for _person in range(3)]
    turns = itertools.count()

    def give():
        turn = next(turns)
        try:
            # A third of them is one form sent again and again.
            return refund(order, "30", people[turn % 3], key=None if turn % 3 else key).pk
        except paid.CannotGiveBack:
            return 0

    answers = at_once(24, give)

    assert (len(answers), len({*answers} - {0})) == (24, 3)
    assert (sum(held()), Push.objects.count()) == (9000, 3)
