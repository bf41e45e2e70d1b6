"""Nobody loses a tier or points by a word that the gate has kept back: on hold means told afterwards."""

import pytest

from crm.messaging import compose, holds
from crm.messaging.holds import Problem
from crm.messaging.models import Message
from loyalty import expiry, ledger, tiers
from loyalty.models import Account, TierStanding
from tests.factories import (
    at,
    make_account,
    make_customer,
    make_guest,
    make_order,
    make_program,
    make_store,
    make_tier,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return make_store(timezone="Asia/Kolkata")


def hold(customer, begin, end=None):
    problem = Problem(customer.pk, f"refund:{customer.pk}", at(begin), ends_at=end and at(end))
    holds.place(customer.store, "refund", [problem])


def nights(store, work, *days):
    for day in days:
        work(store, at(f"{day}T20:00"))


@pytest.fixture
def gold(store):
    """A customer who was Gold in 2025, and has a year, to the end of 2026, to reach it again."""
    make_tier(make_program(store), "Gold", 1000)
    customer = make_customer(store)
    moment = at("2025-03-01T12:00")
    make_order(store, customer, total=1000, date_paid_gmt=moment, date_created_gmt=moment)
    tiers.check(store, [customer.pk], moment)
    nights(store, tiers.nightly, "2026-01-02")
    return customer


def notices(kind):
    return list(Message.objects.filter(kind=kind).order_by("pk"))


def test_a_tier_is_told_of_when_the_hold_is_over_and_not_before(store, gold):
    hold(gold, "2026-11-28T12:00", "2026-12-08T12:00")

    nights(store, tiers.nightly, "2026-12-02", "2026-12-07")
    assert notices("tier-ending") == []

    nights(store, tiers.nightly, "2026-12-08", "2026-12-09")
    [message] = notices("tier-ending")
    assert "Orders of ₹1,000.00 more by Thu, 31 December 2026" in compose.render(message)[1]


def test_a_hold_over_the_end_of_the_year_leaves_seven_days_and_names_days_that_are_to_come(store, gold):
    hold(gold, "2026-11-28T12:00", "2027-02-10T12:00")
    moment = at("2027-01-20T12:00")
    make_order(store, gold, total=300, date_paid_gmt=moment, date_created_gmt=moment)

    nights(store, tiers.nightly, "2026-12-02", "2027-01-31", "2027-02-10", "2027-02-16")
    assert TierStanding.objects.filter(customer=gold).exists()
    subject, text, _html = compose.render(*notices("tier-ending"))
    # At eight in the evening (UTC) it is tomorrow in Kolkata.
    assert "ends on Thu, 18 February 2027" in subject
    assert "Orders of ₹700.00 more by Wed, 17 February 2027 keep it" in text

    nights(store, tiers.nightly, "2027-02-17")
    assert not TierStanding.objects.filter(customer=gold).exists()


def test_points_wait_also_for_a_hold_of_a_guest_with_the_same_address(store):
    make_program(store, expiry="lot", expiry_months=12)
    customer, other = make_customer(store, email="asha@mail.example"), make_customer(store)
    guest = make_guest(store, email="asha@mail.example")
    for place, owner in enumerate((customer, other)):
        ledger.earn(make_account(owner), 100, f"order:{place}", at=at("2026-01-15T12:00"))
    hold(guest, "2026-12-10T12:00", "2027-01-20T12:00")

    nights(store, expiry.run, "2026-12-20", "2027-01-08", "2027-01-18")
    assert [message.customer_id for message in notices("points-expiring")] == [other.pk, other.pk]
    nights(store, expiry.run, "2027-01-21", "2027-01-27")
    assert Account.objects.get(customer=customer).balance == 100
    assert [message.customer_id for message in notices("points-expiring")][2:] == [customer.pk, customer.pk]
    # Two weeks after the hold, as after one's own.
    nights(store, expiry.run, "2027-02-02")
    assert Account.objects.get(customer=customer).balance == 100
    nights(store, expiry.run, "2027-02-04")

    assert {account.balance for account in Account.objects.all()} == {0}


def test_points_spared_by_a_hold_of_the_same_address_have_two_weeks_though_their_end_was_told_before(store):
    make_program(store, expiry="lot", expiry_months=12)
    customer = make_customer(store, email="asha@mail.example")
    guest = make_guest(store, email="asha@mail.example")
    ledger.earn(make_account(customer), 100, "order:1", at=at("2026-01-15T12:00"))
    nights(store, expiry.run, "2026-12-20", "2027-01-08")
    assert len(notices("points-expiring")) == 2

    hold(guest, "2027-01-10T12:00", "2027-01-20T12:00")
    nights(store, expiry.run, "2027-01-18", "2027-01-20", "2027-01-26", "2027-02-02")
    assert Account.objects.get().balance == 100
    nights(store, expiry.run, "2027-02-04")
    assert Account.objects.get().balance == 0
