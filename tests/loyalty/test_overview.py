import re
from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty import earning, overview, programs
from loyalty.models import LedgerEntry, Program
from tests.factories import (
    NOW,
    make_account,
    make_campaign,
    make_customer,
    make_earning_rule,
    make_order,
    make_product,
    make_program,
    make_reward,
    make_staff,
    make_store,
    make_tier,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return make_program(make_store())


@pytest.fixture
def owner(client, program):
    client.force_login(make_staff(program.store))
    return client


def page(program, what="change"):
    return f"/admin/loyalty/program/{program.pk}/{what}/"


def said(program):
    return {fact.label: fact.says for fact in overview.facts(program, NOW)}


def test_an_overview_tells_what_is_on(program):
    make_earning_rule(make_product(program.store), 2)
    make_campaign(program.store, ends_at=NOW - timedelta(days=1))
    make_tier(program)
    make_reward(program.store)
    make_account(make_customer(program.store), 1200)

    facts = said(program)

    assert (facts["Other rates"], facts["Campaigns running"], facts["Rewards offered"]) == ("1", "none", "1")
    assert facts["Members"] == "Joined: 0; with points to spend: 1; points: 1,200"
    assert facts["Membership"] == ("Everyone who buys takes part; 1 tier; no invitations; points do not expire")
    assert facts["State"].startswith("On: ")


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({}, {"returns", "adjustments"}),
        ({"pending_days": 14}, {"adjustments"}),
        ({"negative_balance": True, "adjust_limit": 5000}, set()),
        (programs.SAFE, set()),
    ],
)
def test_a_protection_that_is_off_says_so(owner, program, settings, off):
    Program.objects.update(**settings)

    shown = owner.get(page(program)).content.decode()

    assert ("Protection against returns" in shown) == ("returns" in off)
    assert ("Protection of adjustments" in shown) == ("adjustments" in off)


def test_a_new_programme_begins_with_protections_on(owner, program):
    opened = programs.open_program(make_store(currency="EUR"))
    assert (opened.pending_days, opened.adjust_limit) == (14, 5000)

    form = owner.get("/admin/loyalty/program/add/").context["adminform"].form
    assert (form["pending_days"].value(), form["adjust_limit"].value()) == (14, 5000)
    # What there is keeps its own.
    assert (programs.open_program(program.store).pending_days, program.adjust_limit) == (0, None)


def test_the_page_shows_it_with_links_to_what_customers_see_at_a_constant_cost(
    owner, program, django_assert_max_num_queries
):
    with django_assert_max_num_queries(30):
        text = owner.get(page(program)).content.decode()

    assert f"/s/{program.store.slug}/rewards/about/" in text
    assert f"/s/{program.store.slug}/points/" in text
    assert f"/s/{program.store.slug}/rewards/" in text
    assert "Orders earn" in text


def test_a_paused_programme_earns_nothing_and_what_was_paid_meanwhile_earns_nothing_later(owner, program):
    customer = make_customer(program.store)
    assert "Pause the programme" in owner.get(page(program, "switch")).content.decode()

    owner.post(page(program, "switch"), {"on": ""})
    owner.post(page(program, "switch"), {"on": ""})

    program.refresh_from_db()
    assert not program.active
    assert said(program)["State"].startswith("Paused")
    order = make_order(program.store, customer)
    earning.settle(program.store, [order.pk], history=True)
    assert not LedgerEntry.objects.exists()
    assert "Resume the programme" in owner.get(page(program, "switch")).content.decode()
    before = timezone.now()
    owner.post(page(program, "switch"), {"on": "yes"})
    program.refresh_from_db()
    assert program.active
    assert program.starts_at >= before


def test_resuming_what_is_on_moves_no_date(program):
    began = program.starts_at

    assert not programs.switch(program, True, NOW)
    assert Program.objects.get().starts_at == began


def test_a_button_on_a_page_left_open_does_what_it_said(owner, program):
    form = re.search(r'name="on"[^>]*>', owner.get(page(program, "switch")).content.decode())[0]
    assert "yes" not in form
    programs.switch(program, False, NOW)

    owner.post(page(program, "switch"), {"on": ""})

    program.refresh_from_db()
    assert not program.active
