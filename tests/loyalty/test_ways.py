from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty import earning, explaining, ways
from loyalty.models import Account, LedgerEntry, Program
from loyalty.rules import LinePoints, Rule, reckon
from tests.factories import (
    make_account,
    make_campaign,
    make_category,
    make_customer,
    make_earning_rule,
    make_occasion,
    make_order,
    make_product,
    make_program,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return make_store(slug="masala")


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"), minimum_spend=500, cap_order=900)


def all_of(program, tiers=()):
    return [(way.what, way.gives, way.limit) for way in ways.of(program, timezone.now(), tiers)]


def test_every_way_to_earn_is_told_with_its_limits(store, program):
    make_earning_rule(make_category(store, name="Tea"), 1)
    make_earning_rule(make_category(store, name="Cheap things"), 0)
    make_campaign(store, 3, name="Weekend", weekdays=[5, 6], minimum_spend=1000)
    make_campaign(store, 2, name="Over", ends_at=timezone.now() - timedelta(days=1))
    make_campaign(store, 2, name="For gold", tiers=["gold"])
    make_occasion(store, "review", 50, per_month=2)
    make_occasion(store, "sign_up", 100)

    assert all_of(program) == [
        ("Every order", "1 point for each ₹10.00", "from ₹500.00; at most 900 points for an order"),
        ("Tea", "1 point for each ₹1.00", ""),
        ("Weekend", "points × 3", "Saturday, Sunday; from ₹1,000.00"),
        ("Write a review of what you bought", "50 points", "at most 2 times a month"),
        ("Your first order", "100 points", "once, with your first paid order"),
    ]
    assert ("For gold", "points × 2", "") in all_of(program, ["gold"])


def test_joining_is_a_way_to_earn_only_where_one_can_join(store, program):
    make_occasion(store, "sign_up", 100)
    assert "Join" not in dict(row[:2] for row in all_of(program))

    program.enrolment = Program.Enrolment.JOIN

    assert all_of(program)[-1] == ("Join", "100 points", "once, with your first paid order")


def test_a_paused_programme_has_no_ways_to_earn(program):
    program.active = False

    assert all_of(program) == []


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "Ways to earn points"), ("hi", "पॉइंट पाने के तरीके"), ("mr", "पॉइंट्स मिळवण्याचे मार्ग")]
)
def test_the_points_page_shows_them_in_the_readers_language(client, store, program, language, heading):
    customer = make_customer(store)
    make_account(customer, 10)
    make_occasion(store, "review", 50)
    sign_in(client, customer.email)
    client.cookies["django_language"] = language

    page = client.get("/s/masala/points/").content.decode()

    assert heading in page
    assert heading not in client.get("/s/masala/points/statement/").content.decode()


def test_an_entry_says_line_by_line_what_made_it(store):
    make_program(store, cap_order=1000)
    chai, card = make_product(store, name="Chai"), make_product(store, name="Gift card", type="gift-card")
    make_earning_rule(chai, 2)
    make_campaign(store, "1.5", bonus=20, name="Diwali", product_ids=[chai.pk])
    lines = [{"product": product} for product in (chai, card)] + [{"name": "Cup"}]
    order = make_order(store, make_customer(store), lines, total=Decimal(300), date_created_gmt=timezone.now())

    earning.settle(store, [order.pk], history=True)

    entry = LedgerEntry.objects.get()
    assert entry.points == 420
    assert explaining.explain(entry) == [
        "₹200.00 of the order counts: goods after discounts, without tax.",
        "Chai: ₹100.00 × 2 × 1.5 (Diwali) = 300; points: 300.",
        "Gift card: no points, because gift cards earn nothing.",
        "Cup: ₹100.00 × 1 = 100; points: 100.",
        "Diwali: extra points, 20.",
        "What the parts are worth is rounded down, once for the order.",
    ]


def test_every_balance_is_worked_out_again_from_the_entries_alone(store):
    program = make_program(store, rate=Decimal("0.37"))
    customer, chai = make_customer(store), make_product(store)
    for number in range(12):
        # The rules change while orders come in.
        Program.objects.filter(pk=program.pk).update(
            rate=Decimal(number + 1) / 7, rounding=["down", "up", "nearest"][number % 3], rounds_lines=number % 2 == 0
        )
        if number == 5:
            make_earning_rule(chai, "1.234567")
            make_campaign(store, "1.75", bonus=7)
        lines = [{"product": chai, "total": Decimal("33.33")}, {"total": Decimal("66.66")}]
        order = make_order(store, customer, lines, total=Decimal("99.99"), date_created_gmt=timezone.now())
        earning.settle(store, [order.pk], history=True)
    Program.objects.update(rate=1000)

    again, versions = 0, set()
    for entry in LedgerEntry.objects.order_by("pk"):
        lines = [LinePoints.load(line) for line in entry.rule["lines"]]
        blank = [LinePoints.load(line | {"points": 0, "earned": 0}) for line in entry.rule["lines"]]
        assert reckon(Rule.load(entry.rule), blank) == lines
        again += sum(line.points for line in lines) - entry.rule["before"]
        versions.add(entry.rule["version"])
    assert again == Account.objects.get().balance > 0
    assert len(versions) == 12
