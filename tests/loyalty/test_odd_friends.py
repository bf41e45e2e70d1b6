"""Friends who look odd: staff or a program decide, and can undo that they declined."""

from datetime import timedelta

import pytest

from crm.messaging import compose
from crm.messaging.models import Message
from crm.stores.models import ApiKey, Membership
from loyalty import referrals
from loyalty.models import Referral, ReferralTerms
from tests.factories import NOW, make_customer, make_program, make_referral, make_staff
from tests.loyalty.test_referrals import FRIEND, deliver, friend_orders, tell

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def terms(store):
    return ReferralTerms.objects.create(program=make_program(store))


@pytest.fixture
def member(store):
    return make_customer(store)


def test_what_is_odd_waits_for_staff(store, terms, member):
    referral = make_referral(member, friend_email=FRIEND, flags=["address"])
    deliver(friend_orders(store), NOW + 4 * DAY)
    assert referrals.reward(store, NOW + 20 * DAY) == 0

    referrals.approve(referral, make_staff(store), "Neighbours", NOW + 21 * DAY)

    assert referrals.reward(store, NOW + 21 * DAY) == 1


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("agent", False), ("owner", True)])
def test_the_owner_declines_with_a_reason_and_the_member_is_told(client, store, terms, member, role, may):
    referral = make_referral(member, friend_email=FRIEND, flags=["phone"])
    client.force_login(user := make_staff(store, Membership.Role(role)))
    assert FRIEND in client.get("/admin/loyalty/referral/?decide=yes").content.decode()

    answer = client.post(f"/admin/loyalty/referral/{referral.pk}/decline/", {"reason": "The same telephone"})

    referral.refresh_from_db()
    assert answer.status_code == (302 if may else 403)
    assert (referral.state == "declined") is may
    if may:
        assert (referral.decided_by, referral.reason, referral.decision) == (user, "staff", "The same telephone")
        _subject, text, _html = compose.render(Message.objects.get(kind="referral-declined"))
        assert "ra•••@mail.example" in text and "The same telephone" in text


def test_nothing_is_decided_twice(client, store, terms, member):
    referral = make_referral(member, friend_email=FRIEND, flags=["phone"])
    client.force_login(make_staff(store))
    url = f"/admin/loyalty/referral/{referral.pk}/"
    client.post(f"{url}decline/", {"reason": "No"})

    page = client.post(f"{url}approve/", {"reason": "Yes"}, follow=True).content.decode()

    assert "closed already" in page
    assert Referral.objects.get().decision == "No"


def test_a_decision_needs_a_reason(client, store, terms, member):
    referral = make_referral(member, friend_email=FRIEND, flags=["phone"])
    client.force_login(make_staff(store))

    assert client.post(f"/admin/loyalty/referral/{referral.pk}/approve/", {"reason": ""}).status_code == 200
    assert Referral.objects.get().decided_at is None


def test_programs_read_and_decide(api, store, terms, member):
    odd = make_referral(member, friend_email=FRIEND, flags=["phone"])
    make_referral(member)
    url = "/api/v1/loyalty/referrals/"
    assert [row["id"] for row in api.get(f"{url}?undecided=true").json()["results"]] == [odd.pk]

    approved = api.post(f"{url}{odd.pk}/approve/", {"reason": "Neighbours"})

    assert (approved.status_code, approved.json()["decision"]) == (200, "Neighbours")
    assert api.post(f"{url}{odd.pk}/decline/", {"reason": "x" * 301}).status_code == 400
    assert api.post(f"{url}{odd.pk}/decline/", {"reason": "After all"}).json()["state"] == "declined"
    assert api.post(f"{url}{odd.pk}/approve/", {"reason": "Again"}).status_code == 400
    assert Referral.objects.get(pk=odd.pk).decided_by_key == ApiKey.objects.get()
    again = api.post(f"{url}{odd.pk}/reopen/")
    assert (again.status_code, again.json()["state"], again.json()["decided_at"]) == (200, "invited", None)
    assert api.post(f"{url}{odd.pk}/reopen/").status_code == 400


def test_a_refusal_is_undone_and_the_friend_goes_on_from_where_the_order_is(client, store, terms, member):
    referral = make_referral(member, friend_email=FRIEND, flags=["phone"])
    owner = make_staff(store)
    client.force_login(owner)
    url = f"/admin/loyalty/referral/{referral.pk}/"
    client.post(f"{url}decline/", {"reason": "A slip of the mouse"})
    deliver(friend_orders(store), NOW + 4 * DAY)
    referral.refresh_from_db()
    assert (referral.state, referral.order) == ("declined", None)

    client.post(f"{url}reopen/", {"reason": "Was a mistake"})

    referral.refresh_from_db()
    assert (referral.state, referral.reason, referral.due_at) == ("delivered", "", NOW + 18 * DAY)
    assert (referral.decided_at, referral.decided_by, referral.decision) == (None, None, "")
    assert [*Referral.objects.undecided()] == [referral]
    assert "Undo the refusal: Was a mistake" in client.get(f"{url}history/").content.decode()
    assert referrals.reward(store, NOW + 20 * DAY) == 0
    client.post(f"{url}approve/", {"reason": "Neighbours"})
    assert referrals.reward(store, NOW + 20 * DAY) == 1


def test_undoing_a_refusal_finds_the_next_order_when_the_first_came_to_nothing_meanwhile(store, terms, member):
    referral = make_referral(member, friend_email=FRIEND)
    first = friend_orders(store)
    referral.refresh_from_db()
    assert referral.order == first
    referrals.decline(referral, make_staff(store), "A slip of the mouse", NOW + DAY)
    first.status = "cancelled"
    first.save()
    tell("order.cancelled", first, NOW + 2 * DAY)
    second = friend_orders(store, NOW + 3 * DAY, customer=first.customer)
    deliver(second, NOW + 4 * DAY)

    referrals.reopen(referral, NOW + 5 * DAY)

    referral.refresh_from_db()
    assert (referral.state, referral.order, referral.due_at) == ("delivered", second, NOW + 18 * DAY)


def test_only_what_staff_declined_is_undone(client, store, terms, member):
    client.force_login(make_staff(store))
    for fields in ({"state": "declined", "reason": "cap"}, {"state": "rewarded", "rewarded_at": NOW}, {}):
        referral = make_referral(member, **fields)
        page = client.post(f"/admin/loyalty/referral/{referral.pk}/reopen/", {"reason": "Why not"}, follow=True)
        assert "Only what staff have declined" in page.content.decode()
        assert Referral.objects.get(pk=referral.pk).state == referral.state


def test_what_is_declined_again_is_told_again(store, terms, member):
    referral, owner = make_referral(member, friend_email=FRIEND), make_staff(store)
    for day in range(2):
        referrals.decline(referral, owner, f"No, {day}", NOW + day * DAY)
        referrals.reopen(referral, NOW + day * DAY)

    assert Message.objects.filter(kind="referral-declined").count() == 2
