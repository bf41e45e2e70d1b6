"""Points expire by lot or by inactivity; nobody loses any unwarned, and nobody while they are on hold."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crm.events.models import Event
from crm.messaging import compose, holds
from crm.messaging.holds import Problem
from crm.messaging.models import Message
from loyalty import expiry, ledger, members
from loyalty.models import Account, Lot
from tests.factories import at, make_account, make_customer, make_program, make_staff, make_store, sign_in

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House", timezone="Asia/Kolkata")


@pytest.fixture
def program(store):
    return make_program(store, expiry="lot", expiry_months=12)


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.fixture
def account(customer):
    return make_account(customer)


def earn(account, points, when, cause="order:1:1"):
    return ledger.earn(account, points, cause, at=at(when))


def balance(account):
    return Account.objects.get(pk=account.pk).balance


def nights(store, *days):
    for day in days:
        expiry.run(store, at(f"{day}T20:00") if len(day) == 10 else at(day))


# --- by lot ---
@pytest.mark.parametrize(
    ("earned", "months", "last_day"),
    [
        ("2026-01-15T12:00", 12, date(2027, 1, 15)),
        ("2026-01-15T18:30", 12, date(2027, 1, 16)),
        ("2026-01-31T12:00", 1, date(2026, 2, 28)),
        ("2028-01-31T12:00", 1, date(2028, 2, 29)),
        ("2028-02-29T12:00", 12, date(2029, 2, 28)),
        ("2026-08-31T12:00", 6, date(2027, 2, 28)),
    ],
)
def test_a_lot_expires_at_the_end_of_a_day_in_the_store(store, program, account, earned, months, last_day):
    type(program).objects.update(expiry_months=months)
    earn(account, 100, earned)

    expiry.date_lots(type(program).objects.get())

    assert expiry.last_day(store, Lot.objects.get().expires_at) == last_day


def test_a_day_with_a_change_of_clocks_ends_at_midnight_too(customer):
    store = make_store(timezone="Europe/Berlin")
    program = make_program(store, expiry="lot", expiry_months=12)
    earn(make_account(make_customer(store)), 100, "2026-03-28T12:00")

    expiry.date_lots(program)

    # On the 28th of March 2027 clocks go forward.
    assert Lot.objects.get().expires_at == at("2027-03-28T22:00")


def test_points_can_be_spent_on_their_last_day_and_are_gone_after_it(store, program, account):
    earn(account, 100, "2026-01-15T12:00")
    nights(store, "2026-12-20", "2027-01-10", "2027-01-15T18:29")
    assert balance(account) == 100

    nights(store, "2027-01-15T18:31")

    assert balance(account) == 0


def test_each_earning_expires_for_itself(store, program, account):
    earn(account, 100, "2026-01-15T12:00")
    earn(account, 30, "2026-06-15T12:00", "order:2:1")
    nights(store, "2026-12-20", "2027-01-10", "2027-01-20")

    assert balance(account) == 30


def test_a_change_of_the_rule_dates_no_lot_anew(store, program, account):
    earn(account, 100, "2026-01-15T12:00")
    expiry.date_lots(program)
    type(program).objects.update(expiry_months=1)

    nights(store, "2026-06-01")

    assert balance(account) == 100
    assert expiry.last_day(store, Lot.objects.get().expires_at) == date(2027, 1, 15)


def test_a_new_rule_takes_nothing_within_its_first_sixty_days(client, store, account):
    program = make_program(store)
    earn(account, 100, "2024-01-15T12:00")
    client.force_login(make_staff(store))
    form = {
        "enrolment": "automatic", "leaving_days": 30, "expiry": "lot", "expiry_months": 12, "tier_measure": "spend",
        "tier_window": "calendar", "tier_grace_days": 30, "tier_notice_days": 30,
    }  # fmt: skip
    for name in ("tiers", "referral_terms"):
        form |= {f"{name}-TOTAL_FORMS": 0, f"{name}-INITIAL_FORMS": 0}
    assert client.post(f"/admin/loyalty/membershipterms/{program.pk}/change/", form).status_code == 302

    expiry.run(store, timezone.now())

    assert balance(account) == 100
    assert Lot.objects.get().expires_at - timezone.now() > 59 * DAY


def test_where_points_do_not_expire_they_do_not(store, account):
    make_program(store)
    earn(account, 100, "2020-01-15T12:00")

    assert expiry.run(store, at("2026-06-01T12:00")) == 0
    assert expiry.upcoming(store, [account.pk]) == []


# --- by inactivity ---
@pytest.mark.parametrize(
    ("move", "left"),
    [(None, 0), ("earn", 110), ("redeem", 90)],
    ids=["nothing happened", "earned once more", "spent some"],
)
def test_inactivity_takes_all_unless_something_moved(store, program, account, move, left):
    type(program).objects.update(expiry="inactivity", expiry_months=6)
    earn(account, 100, "2026-01-15T12:00")
    if move == "earn":
        earn(account, 10, "2026-05-01T12:00", "order:2:1")
    elif move == "redeem":
        ledger.redeem(account, 10, "coupon:1", at=at("2026-05-01T12:00"))

    nights(store, "2026-06-20", "2026-07-10", "2026-07-18")

    assert balance(account) == left


def test_a_movement_on_the_last_day_moves_the_day_on(store, program, account):
    type(program).objects.update(expiry="inactivity", expiry_months=6)
    earn(account, 100, "2026-01-15T12:00")
    nights(store, "2026-06-20", "2026-07-10")
    ledger.redeem(account, 1, "coupon:1", at=at("2026-07-15T12:00"))

    nights(store, "2026-07-16")

    assert balance(account) == 99
    assert expiry.last_day(store, Lot.objects.get().expires_at) == date(2027, 1, 15)


# --- notices ---
def mails():
    return list(Message.objects.filter(kind="points-expiring").order_by("pk"))


def test_members_are_told_30_and_7_days_before_once_each(store, program, account):
    earn(account, 100, "2026-01-15T12:00")

    nights(store, "2026-12-01")
    assert mails() == []
    # From half past six in the evening (UTC) it is tomorrow in Kolkata.
    nights(store, "2026-12-15T12:00", "2026-12-16T12:00", "2026-12-17T12:00", "2027-01-07T12:00")
    assert len(mails()) == 1
    nights(store, "2027-01-08T12:00", "2027-01-09T12:00")

    assert len(mails()) == 2
    assert [event.data["days"] for event in Event.objects.filter(type="points.expiring").order_by("pk")] == [30, 7]


def test_one_mail_lists_the_days_and_the_amounts(store, program, account):
    for number, day in enumerate((10, 10, 12), 1):
        earn(account, 50, f"2026-01-{day}T12:00", f"order:{number}:1")
    earn(account, 7, "2026-02-20T12:00", "order:9:1")

    nights(store, "2026-12-12T12:00", "2026-12-13T12:00", "2026-12-14T12:00")

    [message] = mails()
    assert message.context["items"] == [{"day": "2027-01-10", "points": 100}, {"day": "2027-01-12", "points": 50}]
    subject, text, html = compose.render(message)
    assert "150 of your points expire soon" in subject
    assert "100 points: can be used until Sun, 10 January 2027" in text
    assert "Tue, 12 January 2027" in html


def test_what_was_spent_is_not_told_of(store, program, account):
    earn(account, 100, "2026-01-15T12:00")
    ledger.redeem(account, 100, "coupon:1", at=at("2026-02-01T12:00"))

    nights(store, "2026-12-20", "2027-01-10")

    assert mails() == []


def test_nobody_loses_points_unwarned_though_no_worker_ran(store, program, account):
    earn(account, 100, "2026-01-15T12:00")

    nights(store, "2027-02-01T12:00")
    assert balance(account) == 100
    assert expiry.upcoming(store, [account.pk])[0].day == date(2027, 2, 8)
    assert [event.data["days"] for event in Event.objects.filter(type="points.expiring")] == [7]

    nights(store, "2027-02-08T12:00")
    assert balance(account) == 100
    nights(store, "2027-02-08T18:31")
    assert balance(account) == 0
    assert len(mails()) == 1


def test_who_left_is_not_told(store, program, customer, account):
    earn(account, 100, "2026-01-15T12:00")
    members.leave(program, customer, "portal", at("2026-12-10T12:00"))

    nights(store, "2026-12-20")

    assert mails() == []


# --- holds ---
def hold(customer, begin, end=None):
    holds.place(customer.store, "ticket", [Problem(customer.pk, "ticket:1", at(begin))])
    if end:
        holds.lift(customer.store, ["ticket:1"], at(end))


def test_nothing_expires_and_nothing_is_told_while_on_hold(store, program, customer, account):
    earn(account, 100, "2026-01-15T12:00")
    hold(customer, "2026-12-10T12:00")

    nights(store, "2026-12-20", "2027-01-10", "2027-03-01")

    assert balance(account) == 100
    assert mails() == []


def test_what_would_have_expired_on_hold_is_kept_two_weeks_after_it(store, program, customer, account):
    earn(account, 100, "2026-01-15T12:00")
    hold(customer, "2026-12-10T12:00", "2027-01-20T12:00")

    nights(store, "2027-01-21T12:00")
    assert expiry.upcoming(store, [account.pk])[0].day == date(2027, 2, 3)
    nights(store, "2027-01-27T12:00", "2027-02-03T12:00")
    assert balance(account) == 100
    nights(store, "2027-02-03T18:31")

    assert balance(account) == 0
    assert [message.context["day"] for message in mails()] == ["2027-02-03", "2027-02-03"]


def test_points_that_expire_much_later_are_not_moved_by_a_hold(store, program, customer, account):
    earn(account, 100, "2026-01-15T12:00")
    hold(customer, "2026-03-10T12:00", "2026-04-20T12:00")

    nights(store, "2026-04-21")

    assert expiry.last_day(store, Lot.objects.get().expires_at) == date(2027, 1, 15)


def test_a_hold_of_one_customer_keeps_nobody_elses_points(store, program, customer, account):
    other = make_account(make_customer(store))
    for holder in (account, other):
        earn(holder, 100, "2026-01-15T12:00")
    hold(customer, "2026-12-10T12:00")

    nights(store, "2026-12-20", "2027-01-10", "2027-01-20")

    assert (balance(account), balance(other)) == (100, 0)


# --- pauses, and rules that come again ---
def test_nothing_expires_while_the_programme_is_paused_nor_in_sixty_days_after(
    client, store, program, customer, account
):
    now = timezone.now()
    ledger.earn(account, 100, "order:1:1", at=now - 400 * DAY)
    expiry.date_lots(program)
    owner = Client()
    owner.force_login(make_staff(store))
    sign_in(client, customer.email)

    owner.post(f"/admin/loyalty/program/{program.pk}/switch/", {"on": ""})
    for days in (1, 9, 20):
        expiry.run(store, now + days * DAY)
    assert "can be used until" not in client.get("/s/masala/points/").content.decode()
    assert "can be used until" not in client.get("/s/masala/points/statement/").content.decode()

    owner.post(f"/admin/loyalty/program/{program.pk}/switch/", {"on": "yes"})
    [bucket] = expiry.upcoming(store, [account.pk])
    assert bucket.day >= (now + 60 * DAY).date()
    for days in (1, 30, 50, 54, 59):
        expiry.run(store, now + days * DAY)
    assert balance(account) == 100
    assert expiry.upcoming(store, [account.pk])[0].day == bucket.day
    assert len(mails()) == 2
    expiry.run(store, now + 63 * DAY)
    assert balance(account) == 0


def test_a_rule_that_comes_again_gives_sixty_days_to_lots_that_an_older_one_dated(store, program, account):
    earn(account, 100, "2026-01-15T12:00")
    earn(account, 30, "2026-11-15T12:00", "order:2:1")
    expiry.date_lots(program)
    type(program).objects.update(expiry_since=at("2026-12-28T12:00"))

    nights(store, "2026-12-28", "2027-01-05", "2027-01-28", "2027-02-25")

    assert balance(account) == 130
    days = [expiry.last_day(store, lot.expires_at) for lot in Lot.objects.order_by("pk")]
    assert days == [date(2027, 2, 26), date(2027, 11, 15)]


# --- many ---
def test_the_pass_costs_the_same_however_many(store, program, django_assert_max_num_queries):
    def pass_of(size, day, night):
        for number in range(size):
            earn(make_account(make_customer(store)), 10, f"2026-01-{day}T12:00", f"order:{number}:1")
        with django_assert_max_num_queries(40) as asked:
            expiry.run(store, at(night))
        return len(asked)

    few = pass_of(2, 10, "2026-12-20T12:00")
    assert pass_of(20, 20, "2026-12-28T12:00") <= few
    assert len(mails()) == 22


def test_another_store_keeps_its_points(store, program, account):
    elsewhere = make_account(make_customer(make_store()))
    make_program(elsewhere.store)
    for holder in (account, elsewhere):
        earn(holder, 10, "2026-01-15T12:00")

    nights(store, "2026-12-20", "2027-01-10", "2027-01-20")

    assert (balance(account), balance(elsewhere)) == (0, 10)


def test_the_portal_shows_what_expires(client, store, customer, account):
    program = make_program(store, expiry="lot", expiry_months=12)
    earn(account, 1240, "2026-01-15T12:00")
    expiry.date_lots(program)
    sign_in(client, customer.email)

    page = client.get("/s/masala/membership/").content.decode()

    assert "can be used until Fri, 15 January 2027" in page
    assert "1,240" in page
