"""Points and store credit stand side by side on one ledger, and nothing that counts the one counts the other."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.events.models import Event
from loyalty import expiry, ledger, members, proof, statements, tiers, units
from loyalty.models import Account, Lot, Member
from tests.factories import (
    NOW,
    at,
    make_account,
    make_credit,
    make_customer,
    make_guest,
    make_member,
    make_program,
    make_staff,
    make_tier,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.mark.parametrize(
    ("amount", "currency", "count"),
    [
        ("12.34", "EUR", 1234),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("-0.01", "INR", -1),
        ("12.50", "RSD", 1250),
        ("3.10", "IRHT", 310),
        ("12.3400", "EUR", 1234),
    ],
)
def test_money_is_counted_in_the_smallest_unit_of_its_currency(amount, currency, count):
    assert units.smallest(Decimal(amount), currency) == count
    assert units.money(count, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"), [("12.345", "EUR"), ("0.5", "JPY"), ("NaN", "EUR"), ("Infinity", "EUR"), ("1e11", "EUR")]
)
def test_what_nobody_can_pay_is_no_amount(amount, currency):
    with pytest.raises(ValueError, match="no amount"):
        units.smallest(Decimal(amount), currency)


def test_credit_never_goes_below_zero_and_is_of_a_real_unit(store, customer):
    make_program(store, negative_balance=True)
    credit = make_credit(customer, 500)

    for kind in ("adjust", "redeem"):
        with pytest.raises(ledger.InsufficientPoints, match="₹5.00, ₹5.01 were asked"):
            ledger.post(credit, kind, -501, "too much")
    assert ledger.post(credit, "reverse", -501, "gone").balance_after == 0
    for odd in ("", "euro", "eur", "E"):
        with pytest.raises(IntegrityError, match="account_of_points_or_money"), transaction.atomic():
            Account.objects.create(store=store, customer=make_customer(store), unit=odd)
    assert not list(proof.differences(store))


def test_what_is_said_of_points_leaves_credit_out(store, customer, client, api_client):
    program = make_program(store)
    make_account(customer, 80)
    credit = make_credit(customer, 77_700)
    ledger.earn(credit, 5000, "gift")
    other = make_credit(make_customer(store), 100)

    assert statements.summary(store, [customer]).balance == 80
    assert statements.for_mail(store, customer, None)["balance"] == 80
    assert members.keep_holders(store, timezone.now()) == 1
    assert not Member.objects.filter(customer=other.customer_id).exists()
    assert not Event.objects.filter(type__startswith="points.").exists()
    api = api_client(store)
    for path, count in [("accounts", 1), ("entries", 1), ("lots", 1)]:
        assert len(api.get(f"/api/v1/loyalty/{path}/").json()["results"]) == count
    client.force_login(make_staff(store))
    assert b"777" not in client.get("/admin/loyalty/account/").content
    assert b"777" not in client.get("/admin/").content
    assert program.store_id == store.pk


@pytest.mark.parametrize("rule", ["lot", "inactivity"])
def test_no_rule_about_points_takes_credit(store, customer, rule):
    make_program(store, expiry=rule, expiry_months=12)
    points, credit = make_account(customer), make_credit(customer)
    for account in (points, credit):
        ledger.earn(account, 100, "gift", at=at("2024-01-15T12:00"))

    for night in ("2024-01-16", "2024-12-20", "2025-01-10", "2025-02-16"):
        expiry.run(store, at(f"{night}T20:00"))

    assert list(Account.objects.order_by("pk").values_list("balance", flat=True)) == [0, 100]
    assert Lot.objects.get(account=credit).expires_at is None


def test_leaving_costs_points_and_no_credit(store, customer):
    program = make_program(store)
    make_member(customer)
    points, credit = make_account(customer, 100), make_credit(customer, 100)

    members.leave(program, customer, "portal", NOW)
    members.drop_points(store, NOW + 61 * DAY)

    assert (points.entries.last().balance_after, credit.entries.last().balance_after) == (0, 100)


def test_a_tier_is_marked_on_the_account_of_points(store, customer):
    program = make_program(store, tier_measure="points")
    make_tier(program, threshold=50)
    points, credit = make_account(customer), make_credit(customer, 100)
    ledger.earn(points, 60, "gift")

    tiers.nightly(store, timezone.now())

    assert [Account.objects.get(pk=account.pk).tier for account in (points, credit)] == ["gold", ""]


def test_a_joined_guests_credit_goes_to_the_customer_once(store, customer):
    guest = make_guest(store, email=customer.email)
    make_account(guest, 30)
    make_credit(guest, 500)
    make_credit(guest, 7, "EUR")
    make_credit(customer, 1)
    guest.joined_to = customer
    guest.save(update_fields=["joined_to"])

    ledger.join(store, [guest.pk])
    again = ledger.join(store, [guest.pk])

    held = {account.unit: account.balance for account in customer.accounts.all()}
    assert (held, again) == ({"points": 30, "INR": 501, "EUR": 7}, [])
    assert not guest.accounts.exclude(balance=0).exists()
    assert not list(proof.differences(store))
