from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from loyalty import ledger
from loyalty.models import Account, Campaign, EarningRule, LedgerEntry, Program, RuleVersion
from loyalty.reckoning import Reckoning
from loyalty.rulebook import Rulebook, Sold
from tests.factories import (
    make_account,
    make_campaign,
    make_category,
    make_customer,
    make_earning_rule,
    make_order,
    make_product,
    make_refund,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shirt(store, program):
    """A product with a variation, in a category below another."""
    clothes = make_category(store)
    shirts = make_category(store, parent_woo_id=clothes.woo_id)
    shirt = make_product(store, type="variable", price=None)
    shirt.categories.add(shirts)
    red = make_product(store, type="variation", parent=shirt)
    return {"clothes": clothes, "shirts": shirts, "shirt": shirt, "red": red}


def order_of(*products, **fields):
    """An order of now for one of each, at 100.00."""
    store = products[0].store
    defaults = {"total": Decimal(100 * len(products)), "date_created_gmt": timezone.now()}
    lines = [{"product": product} for product in products]
    return make_order(store, make_customer(store), lines, **defaults | fields)


def worth(order, **options):
    reckoning = Reckoning(order.store, [order.pk])
    return reckoning.worth(reckoning.orders[0], **options)


def points(order, **options):
    return worth(order, **options).points


def test_a_variation_beats_its_product_that_beats_its_category_and_that_the_programme(shirt):
    order = order_of(shirt["red"])
    earned = [points(order)]
    for thing, rate in (("clothes", 2), ("shirts", 3), ("shirt", 4), ("red", 5)):
        make_earning_rule(shirt[thing], rate)
        order = order_of(shirt["red"])
        earned.append(points(order))

    assert earned == [100, 200, 300, 400, 500]
    book = Rulebook.load(order.store, timezone.now())
    sold = Sold(shirt["red"].pk, shirt["shirt"].pk, (shirt["shirts"].pk,))
    assert [(step.level, step.rate) for step in book.steps(sold, timezone.now())] == [
        ("variation", 5), ("product", 4), ("category", 3), ("category", 2), ("program", 1),
    ]  # fmt: skip


def test_of_two_categories_as_near_the_higher_rate_counts(shirt):
    other = make_category(shirt["shirt"].store)
    shirt["shirt"].categories.add(other)
    make_earning_rule(shirt["shirts"], "1.5")
    make_earning_rule(other, "2.5")

    assert points(order_of(shirt["red"])) == 250


def test_categories_that_are_each_others_parents_end(shirt):
    clothes = shirt["clothes"]
    clothes.parent_woo_id = shirt["shirts"].woo_id
    clothes.save()
    make_earning_rule(clothes, 2)

    assert points(order_of(shirt["red"])) == 200


def test_a_rate_of_nothing_excludes(shirt, store):
    make_earning_rule(shirt["shirts"], 0)
    order = order_of(shirt["red"], make_product(store))

    assert [(line.points, line.excluded) for line in worth(order).lines] == [(0, "rule"), (100, "")]


@pytest.mark.parametrize("fields", [{"type": "pw-gift-card"}, {"meta_data": [{"key": "_gift_card", "value": "yes"}]}])
def test_gift_cards_earn_nothing_unless_the_programme_says_so(store, program, fields):
    order = order_of(make_product(store, **fields))

    assert (points(order), worth(order).lines[0].excluded) == (0, "gift_card")
    Program.objects.update(excludes_gift_cards=False)
    assert points(order_of(order.line_items.get().product)) == 100


@pytest.mark.parametrize(
    ("regular", "line", "fields", "earned"),
    [
        ("100.00", {}, {}, 100),
        ("120.00", {}, {}, 0),
        # A coupon is no sale.
        ("100.00", {"total": Decimal(80)}, {"total": Decimal(80)}, 80),
        # Rounded net prices of a gross price.
        ("118.00", {"subtotal_tax": Decimal("18.00")}, {"prices_include_tax": True}, 100),
        ("118.01", {"subtotal_tax": Decimal("18.00")}, {"prices_include_tax": True}, 100),
        ("130.00", {"subtotal_tax": Decimal("18.00")}, {"prices_include_tax": True}, 0),
        # Sold abroad without the tax that its price has in it.
        ("118.00", {}, {"prices_include_tax": True}, 100),
        ("50.00", {"quantity": Decimal(2)}, {}, 100),
        ("60.00", {"quantity": Decimal(2)}, {}, 0),
    ],
)
def test_reduced_goods_earn_nothing_where_the_programme_says_so(store, program, regular, line, fields, earned):
    Program.objects.update(excludes_sale=True)
    product = make_product(store, regular_price=Decimal(regular))
    order = make_order(store, None, [{"product": product} | line], date_created_gmt=timezone.now(), **fields)

    assert points(order) == earned


def test_an_order_below_the_minimum_earns_nothing(store, program):
    Program.objects.update(minimum_spend=150)

    assert points(order_of(make_product(store))) == 0
    assert points(order_of(make_product(store), make_product(store))) == 200


def test_an_order_earns_no_more_than_its_cap_and_its_lines_share_it(store, program):
    Program.objects.update(cap_order=150)
    order = order_of(make_product(store), make_product(store), make_product(store))
    last = order.line_items.last()
    assert [line.points for line in worth(order).lines] == [50, 50, 50]

    refund = make_refund(order, amount=Decimal(100))
    refund.lines.create(woo_id=1, line_item=last, name="", quantity=1, total=100, total_tax=0)

    assert [line.points for line in worth(order).lines] == [50, 50, 0]


SATURDAY = datetime(2026, 6, 13, 20, 0, tzinfo=UTC)  # a Sunday already in Kolkata


@pytest.mark.parametrize(
    ("fields", "doubled"),
    [
        ({}, True),
        ({"active": False}, False),
        ({"starts_at": SATURDAY, "ends_at": SATURDAY + timedelta(hours=1)}, True),
        ({"starts_at": SATURDAY + timedelta(seconds=1)}, False),
        ({"ends_at": SATURDAY}, False),
        ({"weekdays": [Campaign.Weekday.SUNDAY]}, True),
        ({"weekdays": [Campaign.Weekday.SATURDAY]}, False),
        ({"tiers": ["gold", "silver"]}, True),
        ({"tiers": ["platinum"]}, False),
        ({"minimum_spend": 100}, True),
        ({"minimum_spend": 101}, False),
    ],
)
def test_a_campaign_counts_in_its_time_for_those_it_is_for(store, program, fields, doubled):
    make_campaign(store, **fields)
    order = make_order(store, None, [{}], date_created_gmt=SATURDAY)
    reckoning = Reckoning(store, [order.pk], at=timezone.now())

    assert reckoning.worth(reckoning.orders[0], tier="gold").points == (200 if doubled else 100)


def test_a_campaign_for_some_goods_leaves_the_others_alone(shirt, store):
    make_campaign(store, product_ids=[shirt["shirt"].pk])
    make_campaign(store, 3, category_ids=[shirt["clothes"].pk])
    order = order_of(shirt["red"], make_product(store))

    assert [line.points for line in worth(order).lines] == [300, 100]


def test_the_highest_multiplier_counts_alone_unless_the_programme_multiplies(store, program):
    make_campaign(store, 2)
    make_campaign(store, 3)
    make_campaign(store, "1.5", tiers=["gold"])
    order = order_of(make_product(store))

    assert points(order, tier="gold") == 300
    Program.objects.update(stacks_multipliers=True)
    assert points(order_of(make_product(store)), tier="gold") == 450
    assert points(order_of(make_product(store))) == 300


def test_extra_points_come_once_for_an_order_and_go_with_what_they_were_given_for(shirt, store):
    campaign = make_campaign(store, 1, bonus=50, product_ids=[shirt["shirt"].pk])
    version = RuleVersion.objects.get(of="campaign", object_id=campaign.pk)
    order = order_of(shirt["red"], shirt["red"], make_product(store))
    red = order.line_items.first()
    assert [(line.line, line.points) for line in worth(order).lines][-1] == (f"bonus:{version.pk}", 50)

    refund = make_refund(order, amount=Decimal(100))
    refund.lines.create(woo_id=1, line_item=red, name="", quantity=1, total=100, total_tax=0)

    assert [line.points for line in worth(order).lines] == [0, 100, 100, 25]


def test_each_change_makes_a_version_and_ends_the_one_before(shirt):
    rule = make_earning_rule(shirt["shirt"], 2)
    EarningRule.objects.filter(pk=rule.pk).update(rate=3)
    EarningRule.objects.filter(pk=rule.pk).update(rate=3)  # no change
    rule.delete()

    versions = list(RuleVersion.objects.filter(of="rule").order_by("number"))
    assert [(version.number, version.content["rate"]) for version in versions] == [(1, 2), (2, 3)]
    assert versions[0].valid_until == versions[1].valid_from
    assert versions[1].valid_until


@pytest.mark.parametrize("change", ["update", "delete"])
def test_versions_are_never_changed(program, change):
    versions = RuleVersion.objects.all()
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        versions.update(content={}) if change == "update" else versions.delete()


def test_a_store_can_be_erased_with_all_its_rules(shirt, store):
    make_earning_rule(shirt["shirt"], 2)
    make_campaign(store)

    with ledger.erasing():
        store.delete()

    assert not RuleVersion.objects.exists()


def test_an_order_goes_by_the_rules_of_when_it_was_placed(shirt):
    placed = timezone.now()
    make_earning_rule(shirt["shirt"], 2)

    assert points(order_of(shirt["red"], date_created_gmt=placed)) == 100
    assert points(order_of(shirt["red"])) == 200


def test_what_earned_by_a_rule_goes_on_to_count_by_it(shirt, store):
    from loyalty import earning

    rule = make_earning_rule(shirt["shirt"], 2)
    order = order_of(shirt["red"], make_product(store))
    earning.settle(store, [order.pk], history=True)
    rule.delete()
    shirt["shirt"].categories.clear()
    Program.objects.update(rate=9)

    refund = make_refund(order, amount=Decimal(50))
    refund.lines.create(woo_id=1, line_item=order.line_items.first(), name="", quantity=1, total=50, total_tax=0)
    earning.settle(store, [order.pk])

    assert list(LedgerEntry.objects.order_by("pk").values_list("points", flat=True)) == [300, -100]


@pytest.mark.parametrize(
    ("caps", "earned"),
    [
        ({"cap_day": 150}, [100, 50, 100]),
        ({"cap_month": 150}, [100, 50, 0]),
        ({"cap_customer": 230}, [100, 100, 30]),
        ({"cap_day": 70, "cap_customer": 130}, [70, 0, 60]),
        ({}, [100, 100, 100]),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_a_customers_orders_earn_no_more_than_the_limits(store, program, caps, earned, together):
    from loyalty import earning

    Program.objects.update(**caps)
    customer = make_customer(store)
    days = [SATURDAY, SATURDAY + timedelta(hours=3), SATURDAY + timedelta(hours=30)]
    orders = [make_order(store, customer, date_created_gmt=day) for day in days]

    for batch in [orders] if together else [[order] for order in orders]:
        earning.settle(store, [order.pk for order in batch], history=True)

    found = dict(LedgerEntry.objects.values_list("order", "points"))
    assert [found.get(order.pk, 0) for order in orders] == earned


def test_a_tiers_multiplier_follows_the_account(store, program):
    from loyalty import earning

    make_campaign(store, 2, tiers=["gold"])
    customer = make_customer(store)
    make_account(customer)
    Account.objects.update(tier="gold")
    order = make_order(store, customer, date_created_gmt=timezone.now())

    earning.settle(store, [order.pk], history=True)

    assert Account.objects.get().balance == 200


@pytest.mark.parametrize(
    "fields",
    [{"rate": -1}, {"rate": Decimal("1e7")}, {"rate": 1, "product": None}, {"rate": 1, "category": "too"}],
)
def test_the_database_refuses_rules_that_make_no_sense(shirt, store, fields):
    fields = {"product": shirt["shirt"]} | fields
    if fields.get("category"):
        fields["category"] = shirt["shirts"]
    with pytest.raises(IntegrityError), transaction.atomic():
        EarningRule.objects.create(store=store, **fields)


def test_two_rules_for_one_thing_are_not_both_on(shirt):
    make_earning_rule(shirt["shirt"], 1)
    make_earning_rule(shirt["shirt"], 2, active=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_earning_rule(shirt["shirt"], 3)
