import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from crm.stores.models import Membership
from crm.work import drain
from loyalty import trials
from loyalty.models import Campaign, EarningRule, LedgerEntry, Program, Trial
from tests.factories import (
    make_campaign,
    make_category,
    make_customer,
    make_earning_rule,
    make_order,
    make_product,
    make_program,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"), point_value=Decimal("0.10"))


@pytest.fixture
def chai(store, program):
    """A product of which three were sold in the last weeks, and one long ago; beside them an order of something else."""
    chai = make_product(store, name="Chai")
    customer = make_customer(store)
    for days, number in ((2, "A"), (20, "B"), (60, "C"), (200, "D")):
        placed = timezone.now() - timedelta(days=days)
        make_order(store, customer, [{"product": chai}], number=number, date_created_gmt=placed)
    make_order(store, customer, [{}], number="E", date_created_gmt=timezone.now() - timedelta(days=1))
    return chai


@pytest.fixture
def owner(client, store):
    client.force_login(make_staff(store))
    return client


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def tried(draft, days=30):
    trial = trials.ask(draft, days=days)
    drain.drain_all()
    trial.refresh_from_db()
    return trial.result


def test_a_draft_is_tried_on_the_orders_of_the_last_weeks_and_posts_nothing(chai):
    result = tried(EarningRule(store=chai.store, product=chai, rate=Decimal("0.5")))

    assert (result["orders"], result["affected"], result["now"], result["then"]) == (3, 2, 30, 110)
    assert (Decimal(result["value_now"]), Decimal(result["cost"])) == (3, 8)
    assert [(row["number"], row["now"], row["then"]) for row in result["biggest"]] == [("B", 10, 50), ("A", 10, 50)]
    assert not LedgerEntry.objects.exists()
    assert not EarningRule.objects.exists()
    assert tried(EarningRule(store=chai.store, product=chai, rate=Decimal("0.5")), days=90)["affected"] == 3


def test_a_rule_that_is_tried_takes_the_place_of_the_one_that_is_on(chai):
    make_earning_rule(chai, "0.9")

    result = tried(EarningRule(store=chai.store, product=chai, rate=Decimal("0.2")))

    assert (result["now"], result["then"]) == (190, 50)


def test_a_campaign_is_tried_as_if_it_had_run_all_the_time(chai, store):
    begins = timezone.now() + timedelta(days=5)

    result = tried(Campaign(store=store, name="Diwali", multiplier=3, starts_at=begins, product_ids=[chai.pk]))

    assert (result["now"], result["then"]) == (30, 70)


def test_a_rule_for_a_category_knows_the_categories_below(chai, store):
    above = make_category(store)
    below = make_category(store, parent_woo_id=above.woo_id)
    chai.categories.add(below)

    assert tried(EarningRule(store=store, category=above, rate=1))["then"] == 210


def test_a_programmes_other_rate_value_and_limits_are_tried(chai, program):
    program.rate, program.point_value, program.cap_customer = Decimal(1), Decimal("0.01"), 250

    result = tried(program)

    assert (result["now"], result["then"], Decimal(result["cost"])) == (30, 250, Decimal("-0.5"))
    assert Program.objects.get().rate == Decimal("0.1")


def test_points_without_value_cost_nothing_that_could_be_told(chai, program):
    Program.objects.update(point_value=0)

    assert tried(EarningRule(store=chai.store, product=chai, rate=9))["cost"] is None


def test_a_page_of_orders_costs_as_many_statements_as_one_order(chai, django_assert_num_queries, store):
    customer = make_customer(store)
    category = make_category(store)
    make_campaign(store, category_ids=[category.pk])

    def run():
        draft = EarningRule(store=store, product=chai, rate=9)
        return trials.run(store, "rule", None, trials.content_of(draft), days=30, at=timezone.now())

    with django_assert_num_queries(10):
        run()
    for _ in range(97):
        product = make_product(store)
        product.categories.add(category)
        make_order(store, customer, [{"product": product}], date_created_gmt=timezone.now() - timedelta(days=3))
    with django_assert_num_queries(10):
        assert run().orders == 100


def test_what_was_tried_is_put_into_force(chai):
    old = make_earning_rule(chai, "0.9")
    trial = trials.ask(EarningRule(store=chai.store, product=chai, rate=Decimal("0.2")), days=30)

    rule = trials.adopt(trial)

    old.refresh_from_db()
    assert (rule.active, rule.rate, old.active) == (True, Decimal("0.2"), False)


def test_a_paused_programme_stays_paused_when_a_trial_of_it_is_put_into_force(program):
    program.active, program.rate = False, Decimal(7)
    program.save(update_fields=["active"])

    trials.adopt(trials.ask(program, days=30))

    program.refresh_from_db()
    assert (program.active, program.rate) == (False, 7)


def test_an_old_trial_of_the_programme_brings_back_nothing_that_it_did_not_try(owner, program):
    others = {
        "name": "Leaves", "adjust_limit": 500, "credit_limit": Decimal(20), "negative_balance": True, "pending_days": 14,
        "credit_code_days": 30, "enrolment": "join", "leaving_days": 90, "expiry": "lot", "expiry_months": 24,
        "expiry_since": timezone.now(), "tier_measure": "points", "tier_window": "rolling", "tier_grace_days": 5, "tier_notice_days": 5,
    }  # fmt: skip
    program.rate, program.cap_day, program.point_value = Decimal(7), 900, Decimal("0.05")
    trial = trials.ask(program, days=30)
    drain.drain_all()
    Program.objects.update(**others)
    everything = {f.name for f in Program._meta.concrete_fields}
    assert everything == trials.TRIED | others.keys() | {"id", "store", "active", "starts_at"}

    owner.post(f"/admin/loyalty/trial/{trial.pk}/adopt/")

    program = Program.objects.get()
    assert {name: getattr(program, name) for name in others} == others
    assert (program.rate, program.cap_day, program.point_value) == (7, 900, Decimal("0.05"))


def test_a_campaign_that_gives_nothing_is_not_put_into_force(store, program):
    with pytest.raises(ValidationError, match="multiplier"):
        trials.adopt(trials.ask(Campaign(store=store, name="Nothing"), days=30))


def test_the_owner_tries_a_rule_before_it_is_saved_and_puts_it_into_force(owner, chai, store):
    form = {"store": store.pk, "product": chai.pk, "category": "", "rate": "0.5", "_try": "30"}
    waiting = owner.post("/admin/loyalty/earningrule/add/", form, follow=True)
    assert "Waiting for a worker" in text(waiting)
    assert waiting.headers["Refresh"] == "3"
    assert not EarningRule.objects.exists()

    drain.drain_all()
    trial = Trial.objects.get()
    shown = owner.get(f"/admin/loyalty/trial/{trial.pk}/change/")
    assert "2 of 3 orders would earn otherwise." in text(shown)
    assert "₹8.00" in text(shown)
    assert "Refresh" not in shown.headers

    answer = owner.post(f"/admin/loyalty/trial/{trial.pk}/adopt/", follow=True)
    assert "It is in force from now on." in text(answer)
    assert (EarningRule.objects.get().active, EarningRule.objects.get().rate) == (True, Decimal("0.5"))


def test_a_form_with_errors_is_not_tried(owner, chai, store):
    for form in ({"rate": "-1", "product": chai.pk}, {"rate": "1"}, {"rate": "1", "product": chai.pk, "_try": "365"}):
        answer = owner.post("/admin/loyalty/earningrule/add/", {"store": store.pk, "_try": "30"} | form)
        assert answer.status_code in (200, 302)
    assert not Trial.objects.exists()


def test_trying_a_programme_saves_nothing_of_it(owner, chai, program):
    form = {
        "rate": "1",
        "rounding": "up",
        "point_value": "0.01",
        "pending_days": "0",
        "credit_code_days": "90",
        "active": "on",
        "_try": "90",
    }

    owner.post(f"/admin/loyalty/program/{program.pk}/change/", form)

    assert Trial.objects.get().content["rate"] == "1"
    assert Program.objects.get().rate == Decimal("0.1")


@pytest.mark.parametrize("role", [Membership.Role.AGENT, Membership.Role.VIEWER])
def test_others_than_the_owner_try_nothing_and_put_nothing_into_force(client, chai, store, role):
    client.force_login(make_staff(store, role))
    trial = trials.ask(EarningRule(store=store, product=chai, rate=9), days=30)

    asked = client.post(
        "/admin/loyalty/earningrule/add/", {"store": store.pk, "product": chai.pk, "rate": 1, "_try": "30"}
    )

    assert asked.status_code == 403
    assert client.post(f"/admin/loyalty/trial/{trial.pk}/adopt/").status_code == 403
    assert Trial.objects.count() == 1


def test_a_campaign_is_made_for_days_and_goods(owner, chai, store):
    other = make_product(make_store(), name="Elsewhere")
    form = {
        "store": store.pk, "name": "Sundays", "multiplier": "2", "bonus": "0", "minimum_spend": "0", "weekdays": ["6", "0"],
        "product_ids": [chai.pk],
    }  # fmt: skip

    refused = owner.post("/admin/loyalty/campaign/add/", form | {"product_ids": [other.pk]})
    owner.post("/admin/loyalty/campaign/add/", form)

    assert "Elsewhere" not in text(refused)
    campaign = Campaign.objects.get()
    assert (sorted(campaign.weekdays), campaign.product_ids, campaign.active) == ([0, 6], [chai.pk], False)
    again = owner.get(f"/admin/loyalty/campaign/{campaign.pk}/change/")
    assert "Chai" in text(again)


def test_staff_see_which_rule_wins_for_a_product(owner, chai, store):
    shelf = make_category(store, name="Tea")
    chai.categories.add(shelf)
    make_earning_rule(shelf, "0.3")
    make_earning_rule(chai, "0.5")
    make_campaign(store, 2, name="Diwali")

    page = text(owner.get("/admin/loyalty/earningrule/which/", {"product": chai.pk}))

    assert "Product Chai 1 point for each ₹2.00 wins Category Tea 0.3 points for each ₹1.00" in page
    assert "Diwali: points × 2" in page
    assert "One piece for ₹100.00 earns 100 points." in page


def test_the_programme_is_previewed_without_script_and_saves_nothing(owner, program):
    form = {
        "rate": "0.5",
        "rounding": "down",
        "point_value": "0.02",
        "pending_days": "0",
        "credit_code_days": "90",
        "example_total": "1999",
    }

    page = owner.post(f"/admin/loyalty/program/{program.pk}/change/", form | {"_preview": "1"})

    assert "An order of ₹1,999.00 earns 999 points, worth ₹19.98." in text(page)
    assert "This is a preview: nothing is saved yet." in text(page)
    assert "Please correct" not in text(page)
    assert Program.objects.get().rate == Decimal("0.1")
    asked = owner.get("/admin/loyalty/program/example/", form | {"store": program.store_id})
    assert "earns 999 points" in json.loads(asked.content)["text"]


def test_the_command_tells_what_a_draft_would_do(chai, store, capsys):
    rule = make_earning_rule(chai, "0.5", active=False)

    call_command("try_rule", store.slug, "rule", str(rule.pk))

    said = capsys.readouterr().out
    assert "2 of 3 orders would earn otherwise." in said
    assert "Points: 30 now, 110 with it." in said
    assert "order A: 10 now, 50 with it" in said
    with pytest.raises(CommandError, match="no campaign"):
        call_command("try_rule", store.slug, "campaign", str(rule.pk))


def test_points_for_orders_since_a_day(chai, store, capsys):
    since = (timezone.now() - timedelta(days=30)).date().isoformat()

    call_command("award_history", store.slug, "--since", since)
    assert "3 orders of 1 customer would earn 30 points." in capsys.readouterr().out
    assert not LedgerEntry.objects.exists()
    for _ in range(2):
        call_command("award_history", store.slug, "--since", since, "--apply", verbosity=0)

    assert LedgerEntry.objects.count() == 3
