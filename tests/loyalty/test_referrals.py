"""From the address that a friend leaves on a member's page to the reward of both, or to the reason why not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from crm.events import recording
from crm.messaging.mailboxes import mailbox, same
from crm.messaging.models import Message
from crm.orders.customers import join_guest
from crm.shipping import progress
from crm.shipping.models import TrackingEvent
from crm.work import drain
from loyalty import members, referrals
from loyalty.models import Account, LedgerEntry, Member, Referral, ReferralCode, ReferralTerms, Sighting
from loyalty.referrals import Trace
from tests.factories import (
    NOW,
    make_customer,
    make_guest,
    make_order,
    make_program,
    make_referral,
    make_shipment,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAGE = "/s/masala/invite/friends22/"
FRIEND = "ravi@mail.example"


@pytest.fixture(autouse=True)
def fresh_limits():
    cache.clear()


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def terms(store):
    return ReferralTerms.objects.create(program=make_program(store, point_value=0), member_points=100, friend_points=50)


@pytest.fixture
def member(store):
    return make_customer(store, email="asha@mail.example", phone="+91 98765 43210")


@pytest.fixture
def link(terms, member):
    return ReferralCode.objects.create(store=member.store, customer=member, code="friends22")


def leave_address(client, email, **headers):
    return client.post(PAGE, {"email": email}, headers=headers)


def friend_orders(store, at=NOW + DAY, email=FRIEND, **fields):
    """The friend's first order as a guest, paid at once and told of."""
    friend = make_guest(store, email=email) if not fields.get("customer") else fields.pop("customer")
    defaults = {"date_created_gmt": at, "date_paid_gmt": at, "billing": {"first_name": "Ravi"}}
    order = make_order(store, friend, **defaults | fields)
    tell("order.paid", order, at)
    return order


def tell(type, order, at=NOW):
    recording.record(type, order.store, order.woo_id, customer=order.customer, order=order, occurred_at=at)
    drain.drain_all()


def deliver(order, at):
    order.status, order.date_completed_gmt = "completed", at
    order.save()
    tell("order.completed", order, at)


def points(customer):
    return sum(Account.objects.filter(customer=customer).values_list("balance", flat=True))


def gifts():
    return sorted(LedgerEntry.objects.exclude(cause__startswith="order:").values_list("cause", "points"))


# --- the friend's page ---
def test_a_friend_leaves_an_address_on_the_members_page(client, store, link, member):
    page = client.get(PAGE).content.decode()
    assert "Asha invites you to Masala House" in page
    assert "50 points as a welcome" in page

    answer = leave_address(client, "Ravi@Mail.Example")

    assert answer.status_code == 302
    assert "Thank you" in client.get(answer.url).content.decode()
    referral = Referral.objects.get()
    assert (referral.member, referral.friend_email, referral.state, referral.flags) == (member, FRIEND, "invited", [])
    assert len(referral.network_hash) == 64


@pytest.mark.parametrize(
    "email",
    [
        "asha@mail.example",
        "ASHA+friend@mail.example",
        "known@mail.example",
        "known+2@mail.example",
        "kno.wn.g@gmail.com",
    ],
)
def test_oneself_and_customers_are_answered_like_everybody_and_do_not_count(client, store, link, email):
    for known in ("known@mail.example", "knowng+shop@googlemail.com"):
        make_order(store, make_guest(store, email=known))

    answer = leave_address(client, email)

    assert answer.status_code == 302
    assert client.get(answer.url).status_code == 200
    assert not Referral.objects.exists()


def test_a_friend_belongs_to_who_invited_first(client, store, link):
    make_referral(make_customer(store), friend_email="ravi+x@mail.example", lapses_at=timezone.now() + DAY)

    leave_address(client, FRIEND)

    assert Referral.objects.count() == 1


def test_who_did_not_order_in_time_may_be_invited_again(client, store, link):
    make_referral(make_customer(store), friend_email=FRIEND, lapses_at=timezone.now() - 5 * DAY)

    leave_address(client, FRIEND)

    assert list(Referral.objects.order_by("pk").values_list("state", flat=True)) == ["lapsed", "invited"]


@pytest.mark.parametrize("email", ["", "x", "a@b", "x" * 300 + "@mail.example", "<script>@mail.example"])
def test_what_is_no_address_is_refused(client, link, email):
    assert leave_address(client, email).status_code == 400


def test_somebody_who_enters_strangers_addresses_is_stopped(client, link):
    answers = [leave_address(client, f"friend{n}@mail.example").status_code for n in range(21)]

    assert answers[:20] == [302] * 20
    assert answers[20] == 429


@pytest.mark.parametrize("change", ["left", "off", "paused", "unknown"])
def test_a_link_that_leads_nowhere_is_not_found(client, store, terms, link, member, change):
    if change == "left":
        members.leave(terms.program, member, "portal", timezone.now())
    elif change == "off":
        ReferralTerms.objects.update(active=False)
    elif change == "paused":
        type(terms.program).objects.update(active=False)
    else:
        link.delete()

    assert client.get(PAGE).status_code == 404


# --- the way to the reward ---
def test_both_are_rewarded_after_delivery_and_the_return_window(store, terms, member):
    referral = make_referral(member, friend_email=FRIEND)
    order = friend_orders(store)
    referral.refresh_from_db()
    assert (referral.state, referral.order) == ("ordered", order)

    deliver(order, NOW + 4 * DAY)
    referral.refresh_from_db()
    assert (referral.state, referral.due_at) == ("delivered", NOW + 18 * DAY)
    assert referrals.reward(store, NOW + 17 * DAY) == 0

    assert referrals.reward(store, NOW + 18 * DAY) == 1
    assert referrals.reward(store, NOW + 19 * DAY) == 0

    assert gifts() == [(f"referral:{referral.pk}", 100), (f"welcome:{referral.pk}", 50)]
    assert points(member) == 100
    assert Member.objects.filter(customer=order.customer).exists()
    assert {m.kind: m.recipient for m in Message.objects.filter(kind__startswith="referral")} == {
        "referral-rewarded": "asha@mail.example",
        "referral-welcome": FRIEND,
    }


def test_parcels_decide_where_there_are_any_and_the_last_one_counts(store, terms, member):
    referral = make_referral(member, friend_email=FRIEND)
    order = friend_orders(store)
    first, last = make_shipment(order), make_shipment(order)
    for parcel, day in ((first, 3), (last, 6)):
        progress.note(TrackingEvent(shipment=parcel, status="delivered", occurred_at=NOW + day * DAY))
        drain.drain_all()
        referral.refresh_from_db()
        assert (referral.state == "delivered") is (parcel is last)

    assert referral.delivered_at == NOW + 6 * DAY


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"at": NOW - DAY}, "invited", ""),
        ({"at": NOW + 61 * DAY}, "invited", ""),
        ({"total": Decimal(10)}, "declined", "too_small"),
        ({"email": "ravi+shop@mail.example"}, "ordered", ""),
        ({"email": "other@mail.example"}, "invited", ""),
        ({"status": "cancelled"}, "invited", ""),
    ],
    ids=["before", "too late", "too small", "plus", "somebody else", "cancelled"],
)
def test_which_order_counts(store, terms, member, fields, state, reason):
    ReferralTerms.objects.update(minimum_spend=20)
    referral = make_referral(member, friend_email=FRIEND)

    friend_orders(store, **fields)

    referral.refresh_from_db()
    assert (referral.state, referral.reason) == (state, reason)


@pytest.mark.parametrize(
    ("known", "state"),
    [("ravi@mail.example", "declined"), ("ravi+1@mail.example", "declined"), ("ravi2@mail.example", "ordered")],
)
def test_a_friend_who_had_ordered_before_is_not_new(store, terms, member, known, state):
    referral = make_referral(member, friend_email=FRIEND)
    friend = make_guest(store, email=FRIEND)
    before = friend if known == FRIEND else make_guest(store, email=known)
    make_order(store, before, date_created_gmt=NOW - 90 * DAY)

    friend_orders(store, customer=friend)

    referral.refresh_from_db()
    assert referral.state == state


def test_a_dotted_google_address_is_the_same_person(store, terms, member):
    referral = make_referral(member, friend_email="ravi.kumar@gmail.com")
    make_order(store, make_guest(store, email="r.avikumar+deals@googlemail.com"), date_created_gmt=NOW - 90 * DAY)

    friend_orders(store, email="ravi.kumar@gmail.com")

    referral.refresh_from_db()
    assert (referral.state, referral.reason) == ("declined", "not_new")


@pytest.mark.parametrize("end", ["cancelled", "refunded"])
def test_an_order_that_came_to_nothing_leaves_room_for_another(store, terms, member, end):
    referral = make_referral(member, friend_email=FRIEND)
    order = friend_orders(store)
    order.status = end
    order.save()
    tell("order.updated", order)
    referral.refresh_from_db()
    assert (referral.state, referral.order) == ("invited", None)

    again = friend_orders(store, at=NOW + 5 * DAY, customer=order.customer)

    referral.refresh_from_db()
    assert (referral.state, referral.order) == ("ordered", again)


def test_an_order_refunded_within_the_window_rewards_nobody(store, terms, member):
    referral = make_referral(member, friend_email=FRIEND)
    order = friend_orders(store)
    deliver(order, NOW + 4 * DAY)
    order.refunded_total = order.total
    order.save()

    assert referrals.reward(store, NOW + 20 * DAY) == 0
    assert gifts() == []
    referral.refresh_from_db()
    assert referral.state == "invited"


def test_the_years_cap_holds(store, terms, member):
    ReferralTerms.objects.update(yearly_cap=2)
    for number in range(3):
        make_referral(member, friend_email=f"friend{number}@mail.example")
        deliver(friend_orders(store, email=f"friend{number}@mail.example"), NOW + 4 * DAY)

    assert referrals.reward(store, NOW + 20 * DAY) == 2

    assert points(member) == 200
    assert Referral.objects.filter(state="declined", reason="cap").count() == 1


def test_a_member_who_left_gets_nothing(store, terms, member):
    make_referral(member, friend_email=FRIEND)
    deliver(friend_orders(store), NOW + 4 * DAY)
    members.leave(terms.program, member, "portal", NOW + 5 * DAY)

    assert referrals.reward(store, NOW + 20 * DAY) == 0
    assert Referral.objects.get().reason == "member_left"


def test_a_member_who_was_a_guest_keeps_the_friends(store, terms):
    guest = make_guest(store, email="asha@mail.example")
    registered = make_customer(store, email="asha@mail.example")
    make_referral(guest, friend_email=FRIEND)
    code = referrals.make_code(store, guest)

    join_guest(store, "asha@mail.example", timezone.now())
    drain.drain_all()

    assert Referral.objects.get().member == registered
    assert referrals.code_of(registered) == code


# --- what looks odd ---
@pytest.mark.parametrize(
    ("billing", "flags"),
    [
        ({"address_1": "12, M.G. Road", "postcode": "411 001"}, ["address"]),
        ({"address_1": "12 MG Road", "postcode": "411002"}, []),
        ({"phone": "098765-43210"}, ["phone"]),
        ({"phone": "98765 43211"}, []),
        ({"address_1": "", "postcode": "", "phone": ""}, []),
    ],
)
def test_the_same_street_or_telephone_is_odd(store, terms, member, billing, flags):
    make_order(store, member, billing={"address_1": "12 M G Road", "postcode": "411001"})
    make_referral(member, friend_email=FRIEND)

    friend_orders(store, billing=billing)

    assert Referral.objects.get().flags == flags


def test_the_same_network_or_device_as_the_member_or_another_friend_is_odd(client, store, terms, link, member):
    here, there = Trace("n1", "d1"), Trace("n2", "d2")
    referrals.note_sighting(store, member, here, NOW)

    found = [
        referrals.invite(terms, member, f"f{number}@mail.example", seen, NOW).flags
        for number, seen in enumerate([here, there, there, Trace("n2", "d3"), Trace("", "")])
    ]

    assert found == [["device", "network"], [], ["device", "network"], ["network"], []]


def test_who_is_signed_in_as_the_member_invites_from_the_members_device(client, store, link, member):
    sign_in(client, member.email)

    leave_address(client, FRIEND)

    assert "device" in Referral.objects.get().flags


def test_an_address_of_the_network_is_hashed_for_the_store_and_half_of_ipv6_is_a_household(store):
    one, two = (referrals.trace(store, f"2001:db8:1:2:{end}", "Firefox") for end in ("a:b:c:d", "1:2:3:4"))

    assert one.network == two.network
    assert "2001" not in one.network
    assert referrals.trace(make_store(), "2001:db8:1:2:a:b:c:d", "Firefox").network != one.network


# --- forgetting ---
def test_where_people_came_from_is_forgotten_after_90_days(store, terms, member):
    old = make_referral(member, network_hash="n", device_hash="d", created_at=NOW - 91 * DAY)
    new = make_referral(member, network_hash="n", device_hash="d", created_at=NOW - 89 * DAY)
    referrals.note_sighting(store, member, Trace("n", "d"), NOW - 91 * DAY)

    referrals.tidy(store, NOW)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.network_hash, old.device_hash, new.network_hash) == ("", "", "n")
    assert not Sighting.objects.exists()


def test_an_invitation_lapses_some_time_after_its_days(store, terms, member):
    referral = make_referral(member)

    referrals.tidy(store, referral.lapses_at + DAY)
    assert Referral.objects.get().state == "invited"
    referrals.tidy(store, referral.lapses_at + 3 * DAY)
    assert Referral.objects.get().state == "lapsed"


# --- the member's page ---
def test_a_member_gets_a_link_and_sees_the_friends(client, store, terms, member):
    sign_in(client, member.email)
    page = client.get("/s/masala/membership/").content.decode()
    assert "Get my link" in page

    client.post("/s/masala/membership/link/")
    make_referral(member, friend_email=FRIEND, state="declined", reason="cap")

    page = client.get("/s/masala/membership/").content.decode()
    assert f"/s/masala/invite/{referrals.code_of(member)}/" in page
    assert "ra•••@mail.example" in page
    assert "Not counted: you have reached this year" in page
    assert FRIEND not in page


def test_there_is_no_link_without_terms_or_membership(client, store, terms, member):
    sign_in(client, member.email)
    members.leave(terms.program, member, "portal", timezone.now())

    assert client.post("/s/masala/membership/link/").status_code == 404
    ReferralTerms.objects.all().delete()
    assert "Invite a friend" not in client.get("/s/masala/membership/").content.decode()


# --- mailboxes ---
@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("Asha@Mail.Example", "asha@mail.example"),
        ("asha+shop@mail.example", "asha@mail.example"),
        ("a.s.h.a+x@gmail.com", "asha@gmail.com"),
        ("a.sha@googlemail.com", "asha@gmail.com"),
        ("a.sha@mail.example", "a.sha@mail.example"),
        ("+x@mail.example", ""),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_the_mailbox_an_address_leads_to(email, expected):
    assert mailbox(email) == expected


@pytest.mark.parametrize(
    ("held", "asked", "found"),
    [
        ("a.sha+1@gmail.com", "ash.a@googlemail.com", True),
        ("asha+1@mail.example", "asha@mail.example", True),
        ("ashab@mail.example", "asha@mail.example", False),
        ("asha@mail.example.org", "asha@mail.example", False),
        ("ashaxmail@mail.example", "asha.mail@mail.example", False),
        ("asha@mail.example", "", False),
    ],
)
def test_customers_are_found_by_their_mailbox(store, held, asked, found):
    customer = make_guest(store, email=held)

    assert type(customer).objects.filter(same("email", asked)).exists() is found


def test_the_database_lets_no_friend_be_two_members(store, terms, member):
    make_referral(member, friend_email=FRIEND)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_referral(make_customer(store), friend_email=FRIEND)


def test_following_costs_the_same_however_many_strangers_order(store, terms, member, django_assert_max_num_queries):
    orders = [make_order(store, make_guest(store)) for _ in range(20)]

    with django_assert_max_num_queries(6):
        referrals.follow(store, [order.pk for order in orders], datetime(2026, 7, 1, tzinfo=UTC))
