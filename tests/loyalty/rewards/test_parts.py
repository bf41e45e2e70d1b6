"""A partial refund brings back so much of what a code cost as it undoes of what the code took off: never more in all, and all in the end."""

import random
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.core import mail
from django.utils import timezone

from crm.orders.models import Order, RefundLine
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import explaining, ledger, proof, redemptions, rests, undone
from loyalty.models import LedgerEntry, Lot, Redemption
from tests.factories import NOW, make_credit, make_customer, make_order, make_refund
from tests.loyalty.credit import making

from . import test_gifts
from .taking import balance, words
from .test_following import State, ready, state

pytestmark = pytest.mark.django_db
# Forty off 120: a third off what counts in the end, and the cup for half its price.
CHAI = {"name": "Chai", "quantity": Decimal(2), "subtotal": Decimal(80), "total": Decimal(60)}
CUP = {"name": "Cup", "subtotal": Decimal(40), "total": Decimal(20)}
FREE = {"name": "Spoon", "quantity": Decimal(4), "subtotal": Decimal(40), "total": Decimal(0)}


def order_with(redemption, *lines, discount="40", **fields):
    code = redemption.code.lower()
    return make_order(
        redemption.store, redemption.account.customer, lines or (CHAI, CUP), coupon_codes=[code],
        **{"coupon_lines": [{"code": code, "discount": discount}], "shipping_total": Decimal(20)} | fields,
    )  # fmt: skip


def refund(order, amount, *lines, **fields):
    """`lines` are (name, pieces, money)."""
    row = make_refund(order, amount=Decimal(amount), **{"lines_synced_at": NOW} | fields)
    for number, (name, pieces, total) in enumerate(lines):
        RefundLine.objects.create(
            refund=row, woo_id=number, name=name, line_item=order.line_items.get(name=name),
            quantity=Decimal(pieces), total=Decimal(total), total_tax=Decimal(0),
        )  # fmt: skip
    return row


def follow(order):
    for _time in range(2):
        redemptions.follow(order.store, [order.pk])
    assert not list(proof.differences())


def test_the_share_is_that_of_what_was_taken_off(store, account, django_assert_max_num_queries):
    redemption = ready(account)
    cases = [
        ((CHAI, CUP), [("20", ("Cup", 1, "20"))], "1/2"),
        ((CHAI, CUP), [("30", ("Chai", 1, "30"))], "1/4"),
        ((CHAI, CUP), [("30", ("Chai", 1, "30")), ("30", ("Chai", 1, "30"))], "1/2"),
        # Of a mere amount nobody knows what it is for.
        ((CHAI, CUP), [("25",)], "1/4"),
        ((CHAI, CUP), [("20", ("Cup", 1, "20")), ("20", ("Cup", 1, "20"))], "1/2"),
        ((CHAI, CUP), [("80", ("Chai", 2, "60"), ("Cup", 1, "20"))], "1"),
        # What was not taken off is not undone: shipping, and goods that cost what they always do.
        ((CHAI, CUP), [("20", ("Cup", 0, "0"))], "0"),
        ((CHAI | {"total": Decimal(80)}, CUP), [("80", ("Chai", 2, "80"))], "0"),
        ((CHAI, CUP | {"subtotal": Decimal(20)}), [("20", ("Cup", 1, "20"))], "0"),
        ((CHAI | {"subtotal": Decimal(60)}, CUP | {"subtotal": Decimal(20)}), [("60", ("Chai", 2, "60"))], "0"),
        # What cost nothing comes back by the piece.
        ((CHAI, FREE), [("0", ("Spoon", 1, "0"))], "1/6"),
        ((FREE,), [("0", ("Spoon", 3, "0"))], "3/4"),
        ((FREE,), [("0", ("Spoon", 4, "0")), ("0", ("Spoon", 1, "0"))], "1"),
    ]
    for lines, refunds, share in cases:
        paid = sum(line["total"] for line in lines)
        shipping = Decimal(20) if paid else Decimal(0)
        order = order_with(redemption, *lines, shipping_total=shipping, total=paid + shipping)
        for amount, *back in refunds:
            refund(order, amount, *back)
        with django_assert_max_num_queries(4):
            assert undone.share(order) == Fraction(share), (lines, refunds)

    # A coin more than its lines, as where taxes are rounded for the whole order.
    odd = order_with(redemption, CHAI, CUP, shipping_total=Decimal(0), total=Decimal("80.01"))
    refund(odd, "80", ("Chai", 2, "60"), ("Cup", 1, "20"))
    assert undone.share(odd) == 1

    unread = order_with(redemption)
    refund(unread, "20", lines_synced_at=None)
    assert undone.share(unread) == 0
    unread.status = "refunded"
    assert undone.share(unread) == 1


def test_parts_only_grow_and_are_the_whole_in_the_end(account):
    redemption, dice = ready(account), random.Random(7)
    for _order in range(8):
        costs = [dice.randint(2, 9999) for _line in range(3)]
        took = [dice.randint(1, cost - 1) for cost in costs]
        left = {str(n): cost - off for n, (cost, off) in enumerate(zip(costs, took, strict=True))}
        lines = [
            {"name": str(n), "subtotal": Decimal(cost).scaleb(-2), "total": Decimal(left[str(n)]).scaleb(-2)}
            for n, cost in enumerate(costs)
        ]
        order = order_with(redemption, *lines, total=Decimal(sum(left.values()) + 2000).scaleb(-2))
        whole, last = dice.randint(1, 500), 0
        while any(left.values()):
            name = dice.choice([name for name, cost in left.items() if cost])
            part = min(left[name], dice.randint(1, 4000))
            left[name] -= part
            money = Decimal(part).scaleb(-2)
            refund(order, money, (name, 0, money))
            back = undone.part(whole, Order.objects.get(pk=order.pk))
            assert last <= back <= whole
            last = back
        assert last == whole


def test_points_come_back_part_by_part_and_are_taken_again_if_a_refund_is_undone(account, visit):
    lot = Lot.objects.get(account=account)
    ledger.earn(account, 30, "soon", expires_at=timezone.now() + timedelta(days=3))
    redemption = ready(account)
    order = order_with(redemption)
    follow(order)
    assert (state(redemption), balance(account)) == (State.USED, 180)

    cup = refund(order, "20", ("Cup", 1, "20"))
    follow(order)
    drain.drain_all()
    assert (state(redemption), balance(account)) == (State.USED, 230)
    assert "A part of it was refunded, and 50 points are back" in words(visit(f"codes/{redemption.pk}/"))
    [said] = mail.outbox
    assert (
        f"A part of an order that you paid with the code {redemption.code} was refunded. 50 points are back"
        in said.body
    )
    # What lasts longest came back first.
    lot.refresh_from_db()
    assert lot.remaining == 230

    chai = refund(order, "60", ("Chai", 2, "60"))
    follow(order)
    assert (balance(account), redemptions.came_back(Redemption.objects.get())) == (280, 100)
    cup.delete()
    follow(order)
    assert balance(account) == 230
    chai.delete()
    follow(order)
    redemption.refresh_from_db()
    assert (redemption.returned, balance(account)) == (None, 180)
    titles = [explaining.title(entry) for entry in LedgerEntry.objects.order_by("-pk")[:4]]
    again, back = "Taken again: ₹50.00 off", "Given back: ₹50.00 off"
    assert titles == [again, again, back, back]
    refund(order, "33.33")
    follow(order)
    change(order, status="refunded", is_paid=False)
    assert (state(redemption), balance(account)) == (State.USED, 280)
    drain.drain_all()
    assert [f"{points} points are back" in sent.body for points, sent in zip([50, 50, 33, 67], mail.outbox, strict=True)] == [True] * 4  # fmt: skip


def change(order, **fields):
    Order.objects.filter(pk=order.pk).update(**fields)
    follow(order)


def test_parts_of_points_that_have_expired_can_be_spent_for_some_days_more(account):
    ledger.earn(account, 30, "soon", expires_at=timezone.now() + timedelta(days=3))
    redemption = ready(account)
    order = order_with(redemption)
    refund(order, "80", ("Chai", 2, "60"), ("Cup", 1, "20"))
    Lot.objects.filter(granted=30).update(expires_at=timezone.now() - timedelta(hours=1))

    follow(order)

    lot = Lot.objects.get(granted=30)
    assert (lot.remaining, balance(account)) == (30, 280)
    assert lot.expires_at > timezone.now() + timedelta(days=29)


def test_a_reward_that_gives_nothing_back_gives_no_part_either(account):
    redemption = ready(account, returns_refunded=False)
    order = order_with(redemption)
    refund(order, "20", ("Cup", 1, "20"))
    follow(order)

    assert (state(redemption), balance(account)) == (State.USED, 150)


def test_a_part_and_a_code_that_is_free_again_are_not_both_kept(account):
    redemption = ready(account)
    order = order_with(redemption)
    refund(order, "20", ("Cup", 1, "20"))
    follow(order)
    change(order, status="cancelled", is_paid=False)
    assert (state(redemption), balance(account)) == (State.RETURNING, 200)

    redemptions.removed(Push.objects.get(kind="coupon_removal"))

    assert (state(redemption), balance(account)) == (State.RETURNED, 250)
    assert not list(proof.differences())


def test_store_credit_comes_back_in_parts_too(store):
    account = make_credit(make_customer(store), 5000)
    redemption = making.ready(account, "50")
    order = order_with(redemption, discount="40")
    follow(order)
    assert making.stands(redemption) == (State.USED, 1000)
    refund(order, "20", ("Cup", 1, "20"))
    follow(order)
    assert making.stands(redemption) == (State.USED, 3000)
    change(order, status="refunded", is_paid=False)
    assert making.stands(redemption) == (State.USED, 5000)
    change(order, status="processing", is_paid=True)
    titles = [explaining.title(entry) for entry in LedgerEntry.objects.order_by("-pk")[:4]]
    back = f"Back from the code {redemption.code}"
    assert titles == [f"Taken again for the code {redemption.code}", back, back, back]


def test_a_part_of_a_gift_card_is_another_code_until_the_refund_is_undone(account):
    card = test_gifts.ready(account)
    order = order_with(card, discount="200")
    follow(order)
    cup = refund(order, "20", ("Cup", 1, "20"))
    follow(order)
    assert [row.terms["amount"] for row in card.rests.order_by("pk")] == ["300.00", "100.00"]
    assert str(rests.standing(Redemption.objects.get(pk=card.pk)).spent) == "100.00"

    for asked in Push.objects.filter(kind="coupon").order_by("-pk")[:2]:
        redemptions.confirmed(asked)
    cup.delete()
    follow(order)
    assert [row.state for row in card.rests.order_by("pk")] == ["ready", "returning"]
    assert balance(account) == 249
