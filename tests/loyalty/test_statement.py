"""The statement: what is picked out of it, and until when points can be used."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.stores import formats
from loyalty import earning, ledger, picking
from loyalty.ledger import Kind
from loyalty.models import Lot, Program
from tests.factories import make_account, make_customer, make_guest, make_order, make_program, make_store, sign_in
from tests.loyalty.test_portal import words

pytestmark = pytest.mark.django_db
STATEMENT = "/s/masala/points/statement/"


@pytest.fixture
def store():
    return make_store(slug="masala")


@pytest.fixture
def account(client, store):
    make_program(store, rate=Decimal("0.1"))
    customer = make_customer(store)
    sign_in(client, customer.email)
    return make_account(customer)


@pytest.fixture
def statement(client, account):
    return lambda query="": client.get(f"{STATEMENT}{query}")


def points(response):
    """What the rows of the page say was moved."""
    return [int(moved) for moved in re.findall(r'class="num end[^"]*">([+-]?\d+)', response.content.decode())]


@pytest.fixture
def of_all_kinds(account):
    """One movement of each kind today, and one of last year."""
    at = timezone.now()
    last_year = at.astimezone(account.store.zone).replace(month=6, day=1, year=at.year - 1)
    ledger.post(account, Kind.EARN, 700, "order:0", at=last_year)
    ledger.post(account, Kind.EARN, 100, "order:1", at=at)
    ledger.post(account, Kind.REDEEM, -40, "redemption:1", at=at)
    ledger.post(account, Kind.EXPIRE, -30, "expired:1", at=at)
    ledger.post(account, Kind.REVERSE, -20, "order:1:2", at=at)
    ledger.post(account, Kind.ADJUST, 10, "sorry", at=at)
    return at.astimezone(account.store.zone).year


def test_one_kind_or_time_is_picked_out_on_the_page_and_in_the_table(client, statement, of_all_kinds):
    year = of_all_kinds
    for query, expected in {
        "": [10, -20, -30, -40, 100, 700],
        "?kind=earned": [100, 700],
        "?kind=spent": [-40],
        "?kind=expired": [-30],
        "?kind=corrected": [10, -20],
        "?kind=earned&period=30": [100],
        f"?period={year - 1}": [700],
        f"?kind=spent&period={year - 1}": [],
        # What means nothing picks nothing out.
        "?kind=x&period=y": [10, -20, -30, -40, 100, 700],
        "?period=%C2%B2026&kind=": [10, -20, -30, -40, 100, 700],
    }.items():
        assert points(statement(query)) == expected, query
        table = client.get(f"{STATEMENT[:-1]}.csv{query}").getvalue().decode("utf-8-sig")
        assert [int(row[3]) for row in list(csv.reader(io.StringIO(table)))[1:]] == expected, query

    page = statement(f"?kind=earned&period={year - 1}").content.decode()
    assert f"Newest movements: Earned, {year - 1}" in page
    assert f'statement.csv?kind=earned&amp;period={year - 1}"' in page
    assert '<option value="earned" selected>' in page and f'<option value="{year - 1}" selected>' in page
    assert "There is nothing of this kind in this time. Show all" in words(statement(f"?kind=spent&period={year - 1}"))


def test_the_pages_of_what_was_picked_out_go_on_with_it(statement, account):
    for number in range(45):
        ledger.post(account, Kind.EARN if number % 2 else Kind.ADJUST, number + 1, f"x:{number}")

    query, seen = "?kind=corrected", []
    while query:
        page = statement(query)
        seen += points(page)
        older = re.search(r'rel="next" href="(\?[^"]+)"', page.content.decode())
        query = older and older[1].replace("&amp;", "&")

    assert seen == list(range(45, 0, -2))


def test_a_year_is_one_of_the_stores_calendar(account):
    store, at = account.store, datetime(2026, 6, 1, tzinfo=UTC)
    for moment in ("2025-12-31T18:29", "2025-12-31T18:30", "2026-12-31T18:29", "2026-12-31T18:30"):
        when = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        ledger.post(account, Kind.ADJUST, 1, moment, at=when)

    found = picking.read(store, at, "", "2026").of(account.entries.order_by("pk"))

    assert [entry.cause for entry in found] == ["2025-12-31T18:30", "2026-12-31T18:29"]


def test_what_is_left_of_an_earning_says_until_when(client, statement, account):
    Program.objects.update(expiry="lot")
    for number in (7, 8):
        order = make_order(account.store, account.customer, number=str(number), total=Decimal(1000))
        earning.settle(account.store, [order.pk], history=True)
    last = timezone.now().astimezone(account.store.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    last += timedelta(days=40)
    Lot.objects.filter(order=order).update(expires_at=last)
    ledger.redeem(account, 15, "redemption:1")
    day = last - timedelta(days=1)

    page = words(statement())

    assert page.count(f"85 of them: {formats.day(day, account.store.timezone)}") == page.count("of them:") == 1
    # Of what nobody has touched the day is enough.
    Lot.objects.exclude(order=order).update(expires_at=last)
    assert f"+100 100 {formats.day(day, account.store.timezone)}" in words(statement())
    table = client.get(f"{STATEMENT[:-1]}.csv").getvalue().decode()
    assert f"85: {day.date().isoformat()}" in table
    Program.objects.update(expiry="never")
    assert "of them:" not in words(statement()) and "Can be used until" not in words(statement())


def test_the_balance_after_is_the_persons_own_over_all_accounts(client, statement, account):
    guest = make_guest(account.store, email=account.customer.email)
    other = make_account(guest, 60)
    ledger.post(account, Kind.ADJUST, 40, "x")
    ledger.post(other, Kind.ADJUST, -10, "y")
    ledger.post(account, Kind.ADJUST, 5, "z")

    def shown(query=""):
        found = re.findall(r'data-label="Balance after">(-?\d+)<', statement(query).content.decode())
        return [int(balance) for balance in found]

    assert shown() == [95, 90, 100, 60]
    guest.joined_to = account.customer
    guest.save(update_fields=["joined_to"])
    ledger.join(account.store, [guest.pk])
    assert shown() == [95, 90, 100, 60]
    table = client.get(f"{STATEMENT[:-1]}.csv").getvalue().decode("utf-8-sig")
    assert [row[5] for row in list(csv.reader(io.StringIO(table)))[1:]] == ["95", "90", "100", "60"]


def test_the_statement_costs_the_same_whatever_it_shows(statement, account, django_assert_max_num_queries):
    Program.objects.update(expiry="lot")
    for number in range(30):
        ledger.post(account, Kind.ADJUST, 5, f"x:{number}")
    Lot.objects.update(expires_at=timezone.now() + timedelta(days=9))

    with django_assert_max_num_queries(12):
        statement(f"?kind=corrected&period={timezone.now().year}")
