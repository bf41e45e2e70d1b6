from datetime import timedelta

import pytest

from support import tickets
from support.clock import chip, span
from support.models import Ticket
from tests.factories import NOW, make_staff, make_store, make_ticket

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def agent(store):
    return make_staff(store)


def answered_after(store, agent, time, at=NOW):
    ticket = make_ticket(store, at=at)
    tickets.reply_from_staff(ticket, agent, "Here.", at=at + time)
    return ticket


def test_figures_of_now_and_of_today(store, agent, django_assert_num_queries):
    for minutes in (1, 4, 60):
        answered_after(store, agent, minutes * MINUTE)
    tickets.wait_for_customer(answered_after(store, agent, MINUTE, at=NOW - timedelta(days=2)))
    make_ticket(store, at=NOW - 10 * MINUTE)
    make_ticket(store, at=NOW + 57 * MINUTE)
    make_ticket(make_store())

    with django_assert_num_queries(1):
        figures = Ticket.objects.for_store(store).figures(since=NOW - 30 * MINUTE, at=NOW + 60 * MINUTE)

    assert figures == {
        "open": 5,
        "waiting": 1,
        "owed": 2,
        "late": 1,
        "opened": 5,
        "answered": 3,
        "median_first_response": 4 * MINUTE,
    }


def test_figures_of_nothing(store):
    figures = Ticket.objects.for_store(store).figures(since=NOW, at=NOW)

    assert figures["open"] == 0
    assert figures["median_first_response"] is None


def test_first_answers_fall_into_buckets_each_into_one(store, agent, django_assert_num_queries):
    hour, day = 60 * MINUTE, timedelta(days=1)
    for time in (MINUTE, 5 * MINUTE, 6 * MINUTE, 2 * hour, 5 * hour, 3 * day, 6 * day):
        answered_after(store, agent, time)
    make_ticket(store)

    with django_assert_num_queries(1):
        buckets = Ticket.objects.for_store(store).first_response_buckets(since=NOW)

    assert [count for _label, count in buckets] == [2, 1, 1, 1, 1, 1, 1]
    assert str(buckets[0][0]) == "5 minutes" and str(buckets[-1][0]) == "never"


def test_views_of_the_desk_are_counted_in_one_statement(store, agent, django_assert_num_queries):
    tickets.assign(make_ticket(store), agent)
    tickets.wait_for_customer(make_ticket(store))
    tickets.resolve(make_ticket(store))

    with django_assert_num_queries(1):
        counts = Ticket.objects.for_store(store).counts(agent, NOW + 6 * MINUTE)

    assert counts == {"active": 2, "mine": 1, "unassigned": 1, "late": 1, "waiting": 1, "all": 3}


def test_the_clock_says_what_is_left_how_late_or_how_soon(store, agent):
    ticket = make_ticket(store)
    assert chip(ticket, NOW + 2 * MINUTE) == ("3 min left", "warn")
    assert chip(ticket, NOW + 11 * MINUTE) == ("late 6 min", "bad")

    tickets.reply_from_staff(ticket, agent, "Here.", at=NOW + 4 * MINUTE)
    ticket.refresh_from_db()
    assert chip(ticket, NOW + 11 * MINUTE) == ("answered in 4 min", "good")

    assert chip(tickets.wait_for_customer(ticket), NOW).text == "waiting for customer"


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=2, seconds=59), "2 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=4, hours=3, minutes=9), "4 d 3 h"),
        (timedelta(seconds=-1), "0 s"),
    ],
)
def test_a_time_is_told_in_its_two_largest_units(time, words):
    assert span(time) == words
