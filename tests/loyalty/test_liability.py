import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from django.utils import timezone

from crm.stores import sheets
from crm.stores.models import Membership
from loyalty import ledger, liability
from loyalty.ledger import Kind, Posting
from loyalty.liability import Basis
from loyalty.models import Account, LedgerEntry, Program
from tests.factories import (
    NOW,
    make_account,
    make_api_key,
    make_credit,
    make_customer,
    make_guest,
    make_order,
    make_program,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAGE = "/admin/loyalty/programliability/"


@pytest.fixture
def program():
    return make_program(make_store(), point_value=Decimal("0.10"), negative_balance=True)


@pytest.fixture
def account(program):
    return make_account(make_customer(program.store))


def owed(program, at=NOW):
    return liability.report(program, at)


def test_what_is_owed_is_what_lots_have_left_and_debts_are_told_apart(program, account):
    ledger.earn(account, 300, "review:1", at=NOW - 40 * DAY)
    ledger.earn(account, 50, "order:1", available_from=NOW + 5 * DAY, at=NOW - 2 * DAY)
    ledger.redeem(account, 120, "coupon:TEA", at=NOW - DAY)
    debtor = make_account(make_customer(program.store))
    ledger.post(debtor, Kind.ADJUST, -30, "mistake", at=NOW - DAY)

    found = owed(program)

    assert (found.spendable, found.pending, found.outstanding, found.overdrawn, found.holders) == (180, 50, 230, -30, 1)
    assert program.worth(found.outstanding) == Decimal("23.00")


def test_what_was_spent_before_its_order_was_refunded_is_told(client, program, account):
    Program.objects.update(negative_balance=False)
    order = make_order(program.store, account.customer)
    ledger.earn(account, 100, "order:1", order=order, at=NOW - 3 * DAY)
    ledger.redeem(account, 80, "coupon:TEA", at=NOW - 2 * DAY)
    ledger.post(account, Kind.REVERSE, -100, "refund:1", order_id=order.pk, at=NOW - DAY)
    client.force_login(make_staff(program.store))

    page = client.get(f"{PAGE}{program.pk}/change/").content.decode()
    asked = client.get(
        "/api/v1/loyalty/liability/", headers={"Authorization": f"Bearer {make_api_key(program.store)[1]}"}
    )

    assert (owed(program).overdrawn, owed(program).not_taken) == (0, 80)
    assert "Spent before the order was refunded" in page
    assert "80 · ₹8.00" in page
    assert asked.json()["not_taken"] == {"points": 80, "worth": "8.00"}


def test_each_month_tells_what_moved_and_its_end_balance_is_the_sum_of_all_entries(program, account):
    order = make_order(program.store, account.customer)
    ledger.earn(account, 1000, "long ago", at=NOW - 900 * DAY)
    # Still May in the shop's own time zone would be wrong: it is five and a half hours ahead.
    ledger.earn(account, 100, "order:1", order=order, at=datetime(2026, 5, 31, 19, 0, tzinfo=UTC))
    ledger.post(account, Kind.REVERSE, -40, "refund:1", order_id=order.pk, at=NOW - 3 * DAY)
    spent = ledger.redeem(account, 500, "coupon:TEA", at=NOW - 2 * DAY)
    ledger.give_back(spent, "handed back", points=200, at=NOW - DAY)
    ledger.post(account, Kind.EXPIRE, -60, "lot:1", at=NOW - DAY)
    ledger.post(account, Kind.ADJUST, 7, "sorry", at=NOW)

    months = owed(program, NOW + DAY).months

    june, may = months[-1], months[-2]
    assert (june.earned, june.taken_back, june.redeemed, june.expired, june.adjusted) == (100, -40, -300, -60, 7)
    assert (may.earned, may.balance, june.balance) == (0, 1000, 707)
    assert june.balance == LedgerEntry.objects.aggregate(points=Sum("points"))["points"]
    assert (len(months), f"{months[0].month:%Y-%m}", months[0].balance) == (24, "2024-07", 1000)


def test_points_are_listed_by_the_month_on_whose_days_they_expire(program, account):
    midnight = datetime(2026, 6, 30, 18, 30, tzinfo=UTC)  # the end of 30 June in India
    for number, day in enumerate([midnight, midnight + DAY, NOW - DAY, NOW + 400 * DAY, None]):
        ledger.earn(account, 10 ** (number + 1), f"review:{number}", expires_at=day, at=NOW - 90 * DAY)

    found = owed(program)

    # What is overdue waits for a hold to end, and goes next.
    assert [row.points for row in found.expiring[:3]] == [10 + 1000, 100, 0]
    assert (found.expires_later, found.never_expires, len(found.expiring)) == (10_000, 100_000, 12)


def test_the_expected_use_comes_from_old_cohorts_once_there_are_enough(program, account):
    customers = [make_account(make_customer(program.store)) for _ in range(liability.ENOUGH_LOTS)]
    ledger.post_many([Posting(a.pk, Kind.EARN, 100, "first") for a in customers], at=NOW - 400 * DAY)
    order = make_order(program.store, customers[0].customer)
    ledger.earn(customers[0], 1000, "order:9", order=order, at=NOW - 399 * DAY)
    ledger.post(customers[0], Kind.REVERSE, -1000, "refund:9", order_id=order.pk, at=NOW - 398 * DAY)
    for a in customers[:60]:
        ledger.redeem(a, 50, "coupon", at=NOW - 100 * DAY)
    ledger.earn(account, 10_000, "yesterday", at=NOW - DAY)
    ledger.redeem(account, 10_000, "today", at=NOW)

    found = owed(program)

    # 3,000 of the 10,000 points; neither what a refund took nor what was earned this year counts.
    assert (found.basis, found.basis_points, found.share) == (Basis.COHORTS, 10_000, Decimal("0.3"))
    assert (found.outstanding, found.expected) == (7000, 2100)


def test_a_young_programme_goes_by_points_whose_end_is_known_or_counts_on_all(program, account):
    ledger.earn(account, 1000, "review:1", at=NOW - 90 * DAY)
    assert (owed(program).basis, owed(program).expected) == (Basis.UNKNOWN, 1000)

    ledger.redeem(account, 300, "coupon", at=NOW - 80 * DAY)
    ledger.post(account, Kind.EXPIRE, -100, "lot:1", at=NOW - 70 * DAY)

    found = owed(program)
    assert (found.basis, found.share, found.basis_points, found.expected) == (Basis.SETTLED, Decimal("0.75"), 400, 450)


def test_a_guests_points_that_moved_are_counted_once(program):
    guest, customer = make_guest(program.store), make_customer(program.store)
    ledger.earn(make_account(guest), 80, "order:1", at=NOW - 10 * DAY)
    guest.joined_to = customer
    guest.save()
    ledger.join(program.store, [guest.pk])

    found = owed(program, timezone.now())

    assert (found.outstanding, found.holders, found.basis) == (80, 1, Basis.UNKNOWN)
    assert sum(row.adjusted for row in found.months) == 0


def test_another_store_and_another_unit_do_not_count_and_it_is_one_statement(
    program, account, django_assert_num_queries
):
    ledger.earn(account, 10, "review:1")
    ledger.earn(make_account(make_customer(make_store())), 999, "review:1")
    credit = Account.objects.create(store=program.store, customer=account.customer, unit="INR")
    ledger.earn(credit, 777, "gift card")

    with django_assert_num_queries(1):
        assert owed(program, timezone.now()).outstanding == 10


def test_an_empty_programme_owes_nothing(program):
    found = owed(program)

    assert (found.outstanding, found.expected, found.basis) == (0, 0, Basis.UNKNOWN)
    assert {row.balance for row in found.months} == {0}


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("agent", 302), ("viewer", 302)])
def test_owners_see_figures_charts_and_tables(client, program, account, role, status):
    ledger.earn(account, 1234, "review:1")
    make_credit(account.customer, 5050)
    client.force_login(make_staff(program.store, Membership.Role(role)))

    page = client.get(f"{PAGE}{program.pk}/change/")

    assert page.status_code == status
    if status == 200:
        text = re.sub(r"<[^>]+>", " ", page.content.decode())
        assert "1,234 · ₹123.40" in text
        assert re.search(r"Store credit, apart from points\s+₹50.50", text)
        assert "count on all of them being redeemed" in text
        assert page.content.count(b"<rect") >= 1
        assert client.get(PAGE).headers["Location"] == f"{PAGE}{program.pk}/change/"


def test_the_file_has_the_whole_report_in_plain_numbers(client, program, account):
    program.store.name = '=HYPERLINK("x")'
    program.store.save()
    ledger.earn(account, 1234, "review:1")
    make_credit(account.customer, 5050)
    client.force_login(make_staff(program.store))

    answer = client.get(f"{PAGE}{program.pk}/change/?format=csv")

    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert text[0] == "\ufeff"
    assert ["Outstanding points", "1234", "123.40"] in rows
    assert ["Store credit", "INR", "50.50"] in rows
    assert ["Store", '\'=HYPERLINK("x")'] in rows
    assert [f"{timezone.now():%Y-%m}", "1234", "0", "0", "0", "0", "1234"] in rows
    assert len(rows) > liability.MONTHS + liability.MONTHS_AHEAD


def test_the_api_tells_the_same(client, program, account):
    ledger.earn(account, 1234, "review:1")
    key = {"Authorization": f"Bearer {make_api_key(program.store)[1]}"}

    answer = client.get("/api/v1/loyalty/liability/", headers=key).json()

    assert answer["outstanding"] == {"points": 1234, "worth": "123.40"}
    assert answer["expected_use"] == {"share": "1.0000", "basis": "unknown", "basis_points": 0}
    assert (len(answer["months"]), answer["months"][-1]["earned"]) == (24, 1234)
    assert answer["never_expires"]["points"] == 1234
    Account.objects.update(tier="")
    program.delete()
    assert client.get("/api/v1/loyalty/liability/", headers=key).status_code == 404


def test_a_cell_that_a_spreadsheet_would_run_is_text_and_numbers_keep_their_sign():
    assert [sheets.safe(value) for value in ("=1+1", "@x", "-2", "+3", "\tx", "a=b", -2, None)] == [
        "'=1+1", "'@x", "'-2", "'+3", "'\tx", "a=b", "-2", "",
    ]  # fmt: skip
    assert "".join(sheets.lines([["a", 'b"'], ["c\nd", 1]])) == '\ufeffa,"b"""\r\n"c\nd",1\r\n'
