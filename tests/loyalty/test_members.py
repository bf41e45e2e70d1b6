"""Who takes part: by buying or by joining, until they leave. Through the portal, admin, API and the events."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.messaging import consent
from crm.orders.customers import join_guest
from crm.stores.models import Membership
from crm.work import drain
from loyalty import earning, ledger, members, programs, tasks
from loyalty.models import Account, Member, Occasion
from tests.factories import (
    NOW,
    make_account,
    make_customer,
    make_guest,
    make_member,
    make_order,
    make_program,
    make_staff,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAGE = "/s/masala/membership/"


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def joining(store):
    return make_program(store, enrolment="join")


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.fixture
def portal(client, customer):
    sign_in(client, customer.email)
    return client


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


def paid(store, customer, at, total=100):
    order = make_order(store, customer, total=total, date_paid_gmt=at)
    recording.record("order.paid", store, order.woo_id, customer=customer, order=order, occurred_at=at)
    drain.drain_all()
    return order


def points(customer):
    return sum(Account.objects.filter(customer=customer).values_list("balance", flat=True))


def standing(program, customer):
    return members.membership(program, [customer]).is_member


# --- earning ---
def test_in_an_automatic_programme_a_paid_order_writes_the_member_down(program, store, customer):
    paid(store, customer, NOW)

    row = Member.objects.get()
    assert (row.customer, row.joined_at, row.joined_by) == (customer, NOW, "automatic")
    assert points(customer) == 100
    assert Event.objects.filter(type="member.joined", key=str(row.pk), customer=customer).exists()


def test_in_a_programme_to_join_only_orders_paid_after_joining_earn(joining, store, customer):
    paid(store, customer, NOW)
    members.join(store, customer, "portal", NOW + DAY)
    paid(store, customer, NOW + 2 * DAY, total=30)

    assert points(customer) == 30
    assert Member.objects.count() == 1


@pytest.mark.parametrize("enrolment", ["automatic", "join"])
@pytest.mark.parametrize(
    ("day", "earned"), [(-1, 0), (1, 100), (11, 0), (21, 100)], ids=["before", "member", "away", "back"]
)
def test_an_order_earns_if_its_customer_took_part_when_it_was_paid(store, customer, enrolment, day, earned):
    """However late it becomes known: all of it is told after the customer joined, left and came back."""
    program = make_program(store, enrolment=enrolment)
    members.join(store, customer, "portal", NOW)
    members.leave(program, customer, "portal", NOW + 10 * DAY)
    members.join(store, customer, "portal", NOW + 20 * DAY)

    paid(store, customer, NOW + day * DAY)

    if enrolment == "automatic" and day == -1:
        earned = 100
    assert points(customer) == earned


def test_a_refund_still_takes_back_from_a_member_who_left(program, store, customer):
    order = paid(store, customer, NOW)
    members.leave(program, customer, "portal", timezone.now())
    order.status = "refunded"
    order.save()
    recording.record("order.updated", store, "x", customer=customer, order=order)
    drain.drain_all()

    assert points(customer) == 0


def test_previous_orders_of_those_who_left_earn_nothing(program, store, customer):
    theirs, mine = make_order(store, make_customer(store)), make_order(store, customer)
    make_member(customer, left_at=NOW, left_by="portal", points_until=NOW)

    assert [pk for batch in earning.history(store) for pk in batch] == [theirs.pk]
    assert mine.pk != theirs.pk


def test_who_buys_without_a_programme_running_is_not_written_down(store, customer):
    make_program(store, active=False)

    paid(store, customer, NOW)

    assert not Member.objects.exists()


def test_writing_down_costs_the_same_however_many_bought(program, store, django_assert_max_num_queries):
    pairs = [(make_customer(store).pk, NOW) for _ in range(20)]

    with django_assert_max_num_queries(10):
        members.enrol_buyers(program, pairs)
    assert Member.objects.count() == 20
    assert members.enrol_buyers(program, pairs) == []


# --- the portal ---
def test_a_customer_joins_in_one_step(portal, joining, store, customer):
    assert "Collect points with your orders" in text(portal.get(PAGE))
    assert not standing(joining, customer)

    page = portal.post(f"{PAGE}join/", follow=True)

    assert "Welcome! From now on your orders earn points." in text(page)
    row = Member.objects.get()
    assert (row.joined_by, row.customer) == ("portal", customer)
    assert Event.objects.filter(type="member.joined").count() == 1


def test_joining_twice_is_joining_once(portal, joining):
    for _ in range(2):
        portal.post(f"{PAGE}join/")

    assert Member.objects.count() == 1


def test_leaving_says_what_happens_and_keeps_the_points_for_the_days(portal, program, store, customer):
    make_account(customer, 500)
    assert "kept for 30 days" in text(portal.get(PAGE))

    page = text(portal.post(f"{PAGE}leave/", follow=True))

    row = Member.objects.get()
    assert "You have left the programme" in page
    assert "Your points are kept until" in page
    assert row.points_until - row.left_at == 30 * DAY
    assert points(customer) == 500
    assert Event.objects.filter(type="member.left", customer=customer).count() == 1
    with pytest.raises(members.NotAMember):
        members.require(program, customer)


def test_who_left_gets_no_mail_about_points_and_gets_it_again_on_coming_back(portal, program, store, customer):
    portal.post(f"{PAGE}leave/")
    assert consent.is_refused(store, customer.email, "loyalty")

    portal.post(f"{PAGE}join/")
    assert not consent.is_refused(store, customer.email, "loyalty")
    members.require(program, customer)


@pytest.mark.parametrize(("back_on", "left"), [(None, 0), (29, 500)], ids=["stays away", "comes back"])
def test_points_go_when_the_days_are_over_unless_the_customer_came_back(program, store, customer, back_on, left):
    make_account(customer, 500)
    members.leave(program, customer, "portal", NOW)
    if back_on:
        members.join(store, customer, "portal", NOW + back_on * DAY)

    assert members.drop_points(store, NOW + 29 * DAY) == 0
    for _ in range(2):
        members.drop_points(store, NOW + 31 * DAY)

    assert points(customer) == left


def test_who_left_a_second_time_has_days_of_their_own(program, store, customer):
    make_account(customer, 500)
    members.leave(program, customer, "portal", NOW)
    members.join(store, customer, "portal", NOW + 10 * DAY)
    members.leave(program, customer, "portal", NOW + 20 * DAY)

    members.drop_points(store, NOW + 31 * DAY)
    assert points(customer) == 500

    members.drop_points(store, NOW + 51 * DAY)
    assert points(customer) == 0


def test_pending_points_go_as_soon_as_they_are_usable(program, store, customer):
    account = make_account(customer, 5)
    ledger.earn(account, 20, "order:7:1", available_from=NOW + 60 * DAY, at=NOW)
    members.leave(program, customer, "portal", NOW)

    assert members.drop_points(store, NOW + 40 * DAY) == 0
    ledger.release(store, NOW + 61 * DAY)
    assert members.drop_points(store, NOW + 61 * DAY) == 1

    account.refresh_from_db()
    assert (account.balance, account.pending) == (0, 0)


def test_the_hourly_pass_goes_on_with_the_next_store_when_one_fails(store, program, customer):
    other = make_program(make_store())
    for shop, buyer in ((store, customer), (other.store, make_customer(other.store))):
        make_account(buyer, 70)
        members.leave(programs.of(shop), buyer, "portal", timezone.now() - 40 * DAY)
    store.timezone = "No/Where"
    store.save()
    Occasion.objects.create(store=store, kind="birthday", points=10)

    with pytest.raises(Exception, match="No/Where"):
        tasks.each_hour()

    assert set(Account.objects.values_list("balance", flat=True)) == {0}


def test_a_shop_without_a_programme_has_no_membership(portal, store):
    assert "No points here yet" in text(portal.get(PAGE))
    assert portal.post(f"{PAGE}join/").status_code == 404


def test_leaving_ends_every_part_of_the_address(portal, program, store, customer):
    make_member(customer)
    make_member(make_customer(store, email=customer.email))

    portal.post(f"{PAGE}leave/")

    assert not Member.objects.current().exists()


# --- merging ---
@pytest.mark.parametrize(
    ("guest_left", "own", "current"),
    [(False, False, True), (True, False, False), (True, True, True), (False, True, True)],
)
def test_a_guest_who_turns_out_to_be_registered_takes_part_if_either_did(
    store, customer, joining, guest_left, own, current
):
    guest = make_guest(store, email=customer.email)
    left = {"left_at": NOW, "left_by": "portal", "points_until": NOW} if guest_left else {}
    make_member(guest, joined_at=NOW - 5 * DAY, **left)
    if own:
        make_member(customer)

    join_guest(store, customer.email, timezone.now())
    drain.drain_all()

    assert standing(joining, customer) is current
    assert not Member.objects.filter(customer=guest).exists()
    if not guest_left:
        assert Member.objects.get().joined_at == NOW - 5 * DAY


# --- the database ---
def test_the_database_lets_nobody_take_part_twice(customer):
    make_member(customer)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_member(customer)


# --- staff ---
def test_the_owner_makes_it_a_programme_to_join_and_holders_stay_members(client, store, program, customer):
    make_account(customer, 10)
    away = make_customer(store)
    make_account(away, 10)
    members.leave(program, away, "portal", timezone.now())
    client.force_login(make_staff(store))
    form = {
        "enrolment": "join", "leaving_days": 14, "expiry": "never", "expiry_months": 12, "tier_measure": "spend",
        "tier_window": "calendar", "tier_grace_days": 30, "tier_notice_days": 30,
    }  # fmt: skip
    for name in ("tiers", "referral_terms"):
        form |= {f"{name}-TOTAL_FORMS": 0, f"{name}-INITIAL_FORMS": 0}

    client.post(f"/admin/loyalty/membershipterms/{program.pk}/change/", form)

    program.refresh_from_db()
    assert (program.enrolment, program.leaving_days) == ("join", 14)
    assert standing(program, customer)
    assert not standing(program, away)


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("agent", True), ("owner", True)])
def test_staff_have_a_customer_join_and_leave(client, store, joining, customer, role, may):
    client.force_login(user := make_staff(store, Membership.Role(role)))
    client.post("/admin/loyalty/member/add/", {"store": store.pk, "email": "Asha@mail.example"})
    assert standing(joining, customer) is may
    row = Member.objects.first() or make_member(customer)
    assert row.changed_by == (user if may else None)

    client.post("/admin/loyalty/member/", {"action": "leave", "_selected_action": [row.pk]})

    assert standing(joining, customer) is not may
    listed = text(client.get("/admin/loyalty/member/?part=left"))
    assert ("asha@mail.example" in listed) is may


def test_staff_are_told_why_a_customer_cannot_join(client, store, joining, customer):
    client.force_login(make_staff(store))
    make_member(customer)

    known = client.post("/admin/loyalty/member/add/", {"store": store.pk, "email": customer.email})
    unknown = client.post("/admin/loyalty/member/add/", {"store": store.pk, "email": "nobody@mail.example"})

    assert "takes part already" in text(known)
    assert "no customer with this address" in text(unknown)


# --- programs ---
def test_a_program_has_a_customer_join_and_leave(api, joining, customer):
    url = "/api/v1/loyalty/members/"
    made = api.post(url, {"customer": customer.pk})
    again = api.post(url, {"customer": customer.pk})
    assert (made.status_code, made.json()["joined_by"]) == (201, "api")
    assert again.json()["id"] == made.json()["id"]

    left = api.post(f"{url}{made.json()['id']}/leave/").json()

    assert left["left_by"] == "api" and left["points_until"]
    assert api.post(f"{url}{made.json()['id']}/leave/").json() == left
    assert api.get(f"{url}?current=true").json()["results"] == []
    assert len(api.get(f"{url}?email=ASHA@mail.example&current=false").json()["results"]) == 1


def test_a_program_cannot_have_another_stores_customer_join(api, joining):
    stranger = make_customer(make_store())

    assert api.post("/api/v1/loyalty/members/", {"customer": stranger.pk}).status_code == 400


def test_a_balance_that_was_adjusted_while_away_goes_as_well(program, store, customer):
    account = make_account(customer, 5)
    members.leave(program, customer, "portal", NOW)
    ledger.post(account, "adjust", 10, "later")

    members.drop_points(store, NOW + 40 * DAY)

    assert points(customer) == 0
