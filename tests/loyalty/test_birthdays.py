"""A gift once a year, to the day in the store's zone, however late the job comes."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.messaging.models import Message
from crm.orders.customers import join_guest
from crm.work import drain
from loyalty import birthdays, members
from loyalty.models import Account, Birthday, LedgerEntry, Occasion, Program
from tests.factories import at, make_customer, make_guest, make_program, make_store, make_ticket, sign_in

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House", timezone="Asia/Kolkata")


@pytest.fixture
def program(store):
    gift(store, 100)
    return make_program(store)


def gift(store, points):
    Occasion.objects.create(store=store, kind="birthday", points=points)


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


def make_birthday(customer, month, day, set_at=LONG_AGO):
    return Birthday.objects.create(store=customer.store, customer=customer, month=month, day=day, set_at=set_at)


@pytest.mark.parametrize(
    ("month", "day", "year", "expected"),
    [
        (6, 15, 2026, date(2026, 6, 15)),
        (2, 29, 2028, date(2028, 2, 29)),
        (2, 29, 2026, date(2026, 3, 1)),
        (2, 29, 2100, date(2100, 3, 1)),
        (2, 29, 2000, date(2000, 2, 29)),
        (2, 28, 2026, date(2026, 2, 28)),
    ],
)
def test_the_29th_of_february_is_the_first_of_march_in_other_years(month, day, year, expected):
    assert birthdays.falls_on(month, day, year) == expected


@pytest.mark.parametrize(
    ("born", "now", "given"),
    [
        # In Kolkata the day begins at 18:30 UTC of the day before.
        ((6, 15), "2026-06-14T18:29", []),
        ((6, 15), "2026-06-14T18:30", ["birthday:2026"]),
        ((6, 15), "2026-06-15T12:00", ["birthday:2026"]),
        ((6, 15), "2026-07-14T12:00", ["birthday:2026"]),
        ((6, 15), "2026-07-15T12:00", []),
        ((2, 29), "2026-02-28T12:00", []),
        ((2, 29), "2026-03-01T12:00", ["birthday:2026"]),
        ((2, 29), "2026-03-20T12:00", ["birthday:2026"]),
        ((2, 29), "2028-02-29T12:00", ["birthday:2028"]),
        ((3, 1), "2028-02-29T12:00", []),
        ((3, 1), "2028-03-01T12:00", ["birthday:2028"]),
        ((12, 30), "2027-01-02T12:00", ["birthday:2026"]),
        ((1, 1), "2026-12-31T18:30", ["birthday:2027"]),
        ((1, 1), "2026-12-31T18:29", []),
    ],
)
def test_the_gift_comes_on_the_day_or_some_days_late(store, program, customer, born, now, given):
    make_birthday(customer, *born)

    for _ in range(2):
        birthdays.give(store, at(now))

    assert list(LedgerEntry.objects.values_list("cause", flat=True)) == given
    assert Account.objects.filter(balance=100).count() == len(given)
    assert Message.objects.filter(kind="birthday", purpose="loyalty", recipient=customer.email).count() == len(given)


@pytest.mark.parametrize(("days", "given"), [(29, 0), (30, 1), (31, 1)])
def test_it_must_be_known_30_days_before(store, program, customer, days, given):
    make_birthday(customer, 6, 15, set_at=at("2026-06-15T06:00") - timedelta(days=days))

    assert birthdays.give(store, at("2026-06-15T12:00")) == given


def test_a_year_has_one_gift_though_the_day_was_moved(store, program, customer):
    row = make_birthday(customer, 3, 1)
    birthdays.give(store, at("2026-03-01T12:00"))
    row.month, row.set_at = 6, at("2026-03-10T12:00")
    row.save()

    assert birthdays.give(store, at("2026-06-01T12:00")) == 0
    assert birthdays.give(store, at("2027-06-01T12:00")) == 1


def test_a_guest_who_had_the_gift_and_registers_has_had_it(store, program, customer):
    guest = make_guest(store, email=customer.email)
    make_birthday(guest, 6, 15)
    birthdays.give(store, at("2026-06-15T12:00"))
    join_guest(store, guest.email, at("2026-06-16T12:00"))
    drain.drain_all()

    assert birthdays.give(store, at("2026-06-16T13:00")) == 0
    assert Account.objects.get(customer=customer).balance == 100
    assert Message.objects.filter(kind="birthday").count() == 1
    assert birthdays.give(store, at("2027-06-15T12:00")) == 1


@pytest.mark.parametrize("model", [Occasion, Program])
def test_no_gift_where_it_or_the_programme_is_switched_off(store, program, customer, model):
    make_birthday(customer, 6, 15)
    model.objects.update(active=False)

    assert birthdays.give(store, at("2026-06-15T12:00")) == 0


def test_only_members_get_gifts(store, program, customer):
    make_birthday(customer, 6, 15)
    members.leave(program, customer, "portal", at("2026-06-01T12:00"))

    assert birthdays.give(store, at("2026-06-15T12:00")) == 0


def test_gifts_cost_the_same_however_many(store, program, django_assert_max_num_queries):
    for _ in range(5):
        make_birthday(make_customer(store), 6, 15)

    with django_assert_max_num_queries(30) as few:
        birthdays.give(store, at("2026-06-15T12:00"))
    for _ in range(15):
        make_birthday(make_customer(store), 7, 15)
    with django_assert_max_num_queries(len(few)):
        assert birthdays.give(store, at("2026-07-15T12:00")) == 15


def test_another_stores_customers_have_their_own_gifts(store, program):
    elsewhere = make_store()
    make_program(elsewhere)
    gift(elsewhere, 7)
    make_birthday(make_customer(elsewhere), 6, 15)

    assert birthdays.give(store, at("2026-06-15T12:00")) == 0


# --- the portal ---
PAGE = "/s/masala/membership/"


def enter(client, month, day):
    return client.post(f"{PAGE}birthday/", {"month": month, "day": day}, follow=True)


@pytest.fixture
def portal(client, customer):
    sign_in(client, customer.email)
    return client


def test_a_member_enters_day_and_month_once_a_year(portal, program, customer):
    assert "20 Jun" in enter(portal, 6, 20).content.decode()

    refused = enter(portal, 7, 20)
    assert (refused.status_code, "You can change it again from" in refused.content.decode()) == (400, True)

    Birthday.objects.update(set_at=timezone.now() - timedelta(days=367))
    assert "20 Jul" in enter(portal, 7, 20).content.decode()
    assert (Birthday.objects.get().month, Birthday.objects.get().day) == (7, 20)


@pytest.mark.parametrize(
    ("set_at", "month", "day", "now", "gift"),
    [
        ("2026-05-21T12:00", 6, 20, "2026-06-01T12:00", date(2026, 6, 20)),
        ("2026-06-01T12:00", 6, 20, "2026-06-01T12:00", date(2027, 6, 20)),
        ("2025-01-01T12:00", 6, 20, "2026-06-19T18:30", date(2026, 6, 20)),
        ("2025-01-01T12:00", 6, 20, "2026-06-20T18:30", date(2027, 6, 20)),
        ("2025-01-01T12:00", 2, 29, "2026-06-20T18:30", date(2027, 3, 1)),
        ("2025-01-01T12:00", 2, 29, "2027-06-20T18:30", date(2028, 2, 29)),
    ],
)
def test_the_next_gift_is_the_first_birthday_that_is_known_for_30_days(store, customer, set_at, month, day, now, gift):
    row = make_birthday(customer, month, day, set_at=at(set_at))

    assert birthdays.next_gift(row, store, at(now)) == gift


@pytest.mark.parametrize(
    ("entered", "free"), [("2026-06-15T20:00", date(2027, 6, 16)), ("2028-02-29T12:00", date(2029, 3, 1))]
)
def test_it_may_be_changed_a_year_later_by_the_stores_calendar(store, customer, entered, free):
    assert birthdays.changeable_from(make_birthday(customer, 6, 20, set_at=at(entered)), store) == free


@pytest.mark.parametrize(("month", "day"), [(2, 30), (4, 31), (13, 1), (0, 1), (1, 32), ("x", "y"), ("", "")])
def test_a_day_that_is_in_no_year_is_refused(portal, program, month, day):
    assert enter(portal, month, day).status_code == 400
    assert not Birthday.objects.exists()


def test_the_29th_of_february_can_be_entered(portal, program):
    assert "29 Feb" in enter(portal, 2, 29).content.decode()


@pytest.mark.parametrize(("month", "day"), [(2, 30), (11, 31), (0, 1), (13, 1)])
def test_the_database_refuses_days_that_are_none(customer, month, day):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_birthday(customer, month, day)


def test_who_takes_no_part_enters_nothing(portal, store, program):
    program.enrolment = "join"
    program.save()

    assert enter(portal, 6, 1).status_code == 404


@pytest.mark.parametrize("language", ["en", "hi", "mr"])
def test_the_mail_says_what_was_given_in_the_customers_language(store, program, customer, language):
    from crm.messaging import compose

    customer.language = language
    customer.save()
    make_birthday(customer, 6, 15)
    birthdays.give(store, at("2026-06-15T12:00"))

    subject, text, html = compose.render(Message.objects.get(kind="birthday"))

    assert "Asha" in subject
    assert ("100" in text or "१००" in text) and "/s/masala/points/" in html
    assert ("gift" in text) is (language == "en")


def test_somebody_with_an_open_problem_gets_the_points_and_no_cheerful_mail(store, program, customer):
    from crm.messaging import gate

    make_ticket(store, customer)
    make_birthday(customer, 6, 15)
    birthdays.give(store, at("2026-06-15T12:30"))

    assert Account.objects.get().balance == 100
    assert gate.closed(Message.objects.get(kind="birthday"), at("2026-06-15T12:30")) == "on_hold"
