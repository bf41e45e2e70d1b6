from datetime import timedelta

import pytest
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.orders.customers import join_guest
from crm.work import drain
from loyalty import members, receivers
from loyalty.models import Account, LedgerEntry, Member, Occasion, Program
from tests.factories import NOW, make_customer, make_guest, make_occasion, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(store, program):
    return make_customer(store)


def told(type, customer, key, at=NOW, **data):
    event = recording.record(type, customer.store, key, customer=customer, data=data, occurred_at=at)
    drain.drain_all()
    return event


def posted(**where):
    return list(LedgerEntry.objects.filter(**where).order_by("pk").values_list("points", "cause"))


def test_joining_earns_once_however_often_somebody_comes_back(store, customer, program):
    make_occasion(store, "sign_up", 100)
    make_order(store, customer, is_paid=True)

    members.join(store, customer, Member.Way.PORTAL, NOW)
    members.leave(program, customer, Member.Way.PORTAL, NOW + timedelta(days=1))
    members.join(store, customer, Member.Way.PORTAL, NOW + timedelta(days=2))
    drain.drain_all()

    assert posted() == [(100, "sign-up:1")]


def test_a_guest_who_registers_later_does_not_earn_for_joining_twice(store, program):
    make_occasion(store, "sign_up", 100)
    guest = make_guest(store, email="asha@mail.example")
    registered = make_customer(store, email="asha@mail.example")
    make_order(store, guest)
    members.join(store, guest, Member.Way.PORTAL, NOW)
    drain.drain_all()
    join_guest(store, guest.email, NOW + timedelta(days=1))
    drain.drain_all()

    told("member.joined", registered, "another")

    assert Account.objects.get(customer=registered).balance == 100


def test_joining_earns_with_the_first_paid_order_and_once_a_mailbox(store, program, django_assert_max_num_queries):
    make_occasion(store, "sign_up", 100)
    people = [make_guest(store, email=f"{name}@gmail.com") for name in ("asha", "a.sha", "asha+2", "ravi", "meera")]
    *buyers, idle = people
    for person in people:
        members.join(store, person, Member.Way.PORTAL, NOW)
    drain.drain_all()
    assert posted() == []
    regular = make_customer(store)
    paid = [make_order(store, regular, date_paid_gmt=NOW - timedelta(days=9)), *(make_order(store, p) for p in buyers)]
    late = make_order(store, regular)
    news = [
        recording.record("order.paid", store, order.pk, order=order, customer=order.customer, occurred_at=NOW)
        for order in [*paid[1:], late]
    ]

    with django_assert_max_num_queries(30):
        receivers.reward_joining(news)
    receivers.reward_joining(news)

    given = LedgerEntry.objects.filter(cause="sign-up:1").values_list("account__customer", flat=True)
    assert {*given} == {buyers[0].pk, buyers[3].pk}, (
        "not a second address, nor who has not ordered or was a customer before"
    )
    assert idle.pk not in given
    recording.record("order.paid", store, 99, order=make_order(store, buyers[1]), customer=buyers[1], occurred_at=NOW)
    receivers.reward_joining(list(Event.objects.filter(key="99")))
    assert len(given.all()) == 2


def test_who_left_the_programme_earns_nothing(store, customer, program):
    make_occasion(store, "review", 50)
    members.leave(program, customer, Member.Way.PORTAL, NOW)

    told("review.posted", customer, "7")

    assert posted() == []


@pytest.mark.parametrize("score", [1, 5])
def test_a_review_earns_the_same_whatever_it_says(store, customer, score):
    make_occasion(store, "review", 50)

    event = told("review.posted", customer, "7", woo_id=70, score=score)
    receivers.reward_reviews([event])

    assert posted() == [(50, "review:7")]
    entry = LedgerEntry.objects.get()
    assert (entry.rule["occasion"], entry.rule["points"], entry.kind) == ("review", 50, "earn")


def test_an_answer_that_is_lowered_later_earns_nothing_more(store, customer):
    make_occasion(store, "survey", 10)

    told("survey.answered", customer, "7", score=5)
    told("survey.answered", customer, "7:lowered", score=1)

    assert posted() == [(10, "survey:7")]


def test_an_occasion_earns_so_often_a_month_by_the_shops_calendar(store, customer):
    make_occasion(store, "review", 50, per_month=2)
    end = NOW.replace(day=30, hour=19)  # the first of July in Kolkata

    for number, at in enumerate([NOW, NOW, NOW, end]):
        told("review.posted", customer, str(number), at)

    assert [cause for _points, cause in posted()] == ["review:0", "review:1", "review:3"]


@pytest.mark.parametrize("change", ["off", "paused", "none", "before"])
def test_what_is_switched_off_or_happened_before_earns_nothing(store, customer, change):
    occasion = make_occasion(store, "review", 50)
    match change:
        case "off":
            Occasion.objects.update(active=False)
        case "paused":
            Program.objects.update(active=False)
        case "none":
            occasion.delete()
        case "before":
            Program.objects.update(starts_at=NOW + timedelta(days=1))

    told("review.posted", customer, "7")

    assert posted() == []


def test_a_hundred_facts_cost_as_many_statements_as_one(store, customer, django_assert_max_num_queries):
    make_occasion(store, "review", 50)
    events = [
        recording.record("review.posted", store, str(n), customer=make_customer(store), occurred_at=NOW)
        for n in range(100)
    ]

    with django_assert_max_num_queries(20):
        receivers.reward_reviews(events)

    assert len(posted()) == 100


def test_the_database_keeps_an_occasions_versions_and_entries_name_theirs(store, customer):
    from loyalty.models import RuleVersion

    make_occasion(store, "review", 50)
    told("review.posted", customer, "1", timezone.now())
    Occasion.objects.update(points=70)
    told("review.posted", customer, "2", timezone.now())

    versions = list(RuleVersion.objects.filter(of="occasion").order_by("number").values_list("pk", flat=True))
    assert list(LedgerEntry.objects.order_by("pk").values_list("points", "rule__version")) == [
        (50, versions[0]),
        (70, versions[1]),
    ]
