"""Ways to earn as they stand to one member: each leads where it is done, or says that it is."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty import ledger, members, occasions
from loyalty.models import Account, Birthday, Program, ReferralTerms, TierStanding
from loyalty.occasions import Fact
from tests.factories import (
    make_answer,
    make_customer,
    make_earning_rule,
    make_invitation,
    make_occasion,
    make_order,
    make_product,
    make_program,
    make_referral,
    make_store,
    make_tier,
    sign_in,
)
from tests.loyalty.test_portal import words

pytestmark = pytest.mark.django_db
HOME = "/s/masala/points/"
MEMBERSHIP = "/s/masala/membership/"


@pytest.fixture
def store():
    return make_store(slug="masala")


@pytest.fixture
def program(store):
    return make_program(store)


@pytest.fixture
def member(client, store, program):
    customer = make_customer(store)
    sign_in(client, customer.email)
    return customer


@pytest.fixture
def listed(client, member):
    """`{what: where or what is said instead}` of the home's list."""

    def listed():
        card = re.search(r'id="ways">(.*?)</section>', client.get(HOME).content.decode(), re.S)[1]
        found = {}
        for item in re.findall(r'<li><div class="grow">(.*?)</div>', card, re.S):
            what = re.sub("<[^>]+>", "", item.split("<br>")[0])
            url, done = re.search(r'href="([^"]+)"', item), re.search(r"✓ </span>([^<]+)<", item)
            found[what] = url[1] if url else done[1] if done else ""
        return found

    return listed


def asked(store, customer, *products, days=1, **fields):
    order = make_order(store, customer, [{"product": product} for product in products])
    due_at = timezone.now() - timedelta(days=days)
    make_invitation(order, **{"due_at": due_at, "state": "done", "outcome": "invited"} | fields)
    return order


def test_each_way_leads_where_it_is_done(client, store, program, member, listed):
    mug = make_product(store, name="Blue Mug")
    asked(store, member, mug)
    make_earning_rule(mug, 3)
    for kind in ("review", "survey", "profile", "birthday", "social_share", "sign_up"):
        make_occasion(store, kind, 50)
    ReferralTerms.objects.create(program=program)

    ways = listed()
    assert "Your first 50 points are one step away: Review your Blue Mug" in words(client.get(HOME))

    # Of joining nothing: whoever has ordered had the gift then, if ever.
    assert list(ways) == [
        "Every order", "Blue Mug", "Invite a friend", "Review your Blue Mug", "Answer our questions about an order", "Complete your profile",
        "Enter your birthday", "Tell others about us",
    ]  # fmt: skip
    assert ways["Every order"] == store.url and ways["Blue Mug"] == mug.permalink
    page = client.get(MEMBERSHIP).content.decode()
    for url in ways.values():
        if url.startswith("/s/"):
            place = url.removeprefix(f"{MEMBERSHIP}#")
            assert f'id="{place}"' in page, url
        elif url.startswith("/"):
            assert "Blue Mug" in words(client.get(url)), url


def test_what_is_done_says_so_and_leads_nowhere(client, store, program, member, listed):
    Program.objects.update(enrolment="join")
    for kind, times in [("review", 1), ("social_share", None), ("sign_up", None), ("birthday", None)]:
        make_occasion(store, kind, 50, per_month=times)
    members.join(store, member, "portal", timezone.now())
    for kind, key in [("review", "81"), ("social_share", "1"), ("sign_up", "1")]:
        assert occasions.award(store, kind, [Fact(member.pk, key, timezone.now())])
    Birthday.objects.create(store=store, customer=member, month=3, day=3)
    terms = ReferralTerms.objects.create(program=program, yearly_cap=1)
    make_referral(member, state="rewarded", rewarded_at=timezone.now())

    ways = listed()

    assert re.fullmatch(r"Your next gift comes on \w{3}, 3 March \d{4}", ways.pop("Have your birthday"))
    assert ways == {
        "Every order": store.url,
        "Invite a friend": "This year's limit is reached".replace("'", "&#x27;"),
        "Write a review of what you bought": "This month's limit is reached".replace("'", "&#x27;"),
        "Tell others about us": "Done",
        "Join": "Done",
    }
    assert next(iter(ways)) == "Every order"
    terms.delete()
    assert "Invite a friend" not in listed()


def test_the_gift_for_joining_is_told_before_and_until_it_comes(client, store, program, member, listed):
    Program.objects.update(enrolment="join")
    make_occasion(store, "sign_up", 100)
    told = "Join 100 points once, with your first paid order"
    assert told in words(client.get("/s/masala/rewards/about/"))
    assert "Join once, with your first paid order 100 points" in words(client.get(HOME))

    members.join(store, member, "portal", timezone.now())

    assert "Your first order for joining, once the order is paid 100 points" in words(client.get(HOME))
    assert listed()["Your first order"] == store.url
    # A second address of the same mailbox has had it.
    other = make_customer(store, email=member.email.replace("@", "+2@"))
    members.join(store, other, "portal", timezone.now())
    occasions.award(store, "sign_up", [Fact(other.pk, "1", timezone.now())])
    assert "Your first order" not in listed()


def test_only_what_can_still_be_reviewed_is_asked_for(store, program, member, listed, django_assert_max_num_queries):
    make_occasion(store, "review", 50)
    goods = [make_product(store, name=name) for name in ("Answered", "Open", "Planned", "Old", "Cancelled", "Strange")]
    order = asked(store, member, *goods[:2])
    make_answer(order.line_items.get(product=goods[0]))
    asked(store, member, goods[2], outcome="planned")
    asked(store, member, goods[3], days=61)
    asked(store, member, goods[4]).line_items.update(name="Cancelled")
    type(order).objects.exclude(pk=order.pk).filter(line_items__name="Cancelled").update(status="cancelled")
    asked(store, make_customer(store), goods[5])

    assert [what for what in listed() if "eview" in what] == ["Review your Open"]
    for number in range(6):
        asked(store, member, make_product(store, name=f"Cup {number}"))
    with django_assert_max_num_queries(36):
        assert sum("Review your" in what for what in listed()) == 3


def test_who_takes_no_part_reads_what_there_is(client, store, program, member, listed):
    Program.objects.update(enrolment="join")
    make_occasion(store, "birthday", 50)

    assert listed() == {"Every order": store.url, "Have your birthday": ""}


# --- friends ---
def test_friends_are_shown_by_how_far_they_are_with_a_link_to_share(client, store, program, member):
    ReferralTerms.objects.create(program=program)
    client.post(f"{MEMBERSHIP}link/")
    for state, fields in {
        "invited": {}, "delivered": {}, "lapsed": {}, "rewarded": {"rewarded_at": timezone.now()}, "declined": {"reason": "too_small"},
    }.items():  # fmt: skip
        make_referral(member, state=state, **fields)
    make_referral(member, state="delivered", flags=["phone"])

    response = client.get(MEMBERSHIP)

    page = response.content.decode()
    link = re.search(r'id="friends-link" type="text" value="([^"]+)" readonly', page)[1]
    assert 'data-copy="friends-link"' in page and "data-copy-said" in page
    shared = re.findall(r'href="(https://wa\.me/[^"]+)"', page)[0]
    assert link.rsplit("/", 2)[1] in shared and 'rel="noopener noreferrer"' in page
    text = words(response)
    assert re.search("Under way 3 .* Rewarded 1 .* Not counted 2 ", text)
    assert "Not counted: the first order was too small" in text
    assert text.count("The order has arrived; the shop looks at it before points come") == 1
    assert text.count("The order has arrived; points come when it can no longer be sent back") == 1


# --- leaving ---
def test_leaving_says_before_what_is_given_up(client, store, program, member):
    members.join(store, member, "portal", timezone.now())
    assert "You give up:" not in words(client.get(MEMBERSHIP))
    ledger.earn(Account.objects.get(), 1240, cause="review:1")
    gold, at = make_tier(program, name="Gold"), timezone.now()
    TierStanding.objects.create(
        store=store, customer=member, tier=gold, since=at, ends_on=at.date() + timedelta(days=90)
    )
    for state in ("invited", "delivered", "lapsed"):
        make_referral(member, state=state)

    said = words(client.get(MEMBERSHIP))

    given_up = "1,240 points, after these days Your level Gold, at once The points for 2 invited friends"
    assert f"You give up: {given_up}, unless you are back by the time they come" in said
