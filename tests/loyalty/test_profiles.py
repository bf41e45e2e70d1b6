"""Points for a complete profile and for telling others: small, and once."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.utils import timezone

from loyalty import members, profiles, tasks
from loyalty.models import Account, Birthday, Member, Program, ReferralTerms
from tests.factories import make_account, make_customer, make_occasion, make_store, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/s/masala/membership/"
KNOWN = {"phone": "+91 98", "billing": {"address_1": "14 Laxmi Road", "city": "Pune", "country": "IN"}}


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example", first_name="Asha", last_name="Kulkarni", **KNOWN)


@pytest.fixture
def portal(client, program, customer):
    make_account(customer, 0)
    sign_in(client, customer.email)
    return client


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def points(customer):
    return Account.objects.get(customer=customer).balance


def test_a_complete_profile_earns_once(portal, store, customer):
    make_occasion(store, "profile", 25)
    page = text(portal.get(PAGE))
    assert "We give you 25 points once it is complete." in page and "We do not know yet: your birthday" in page

    for day in (11, 11):
        portal.post(f"{PAGE}birthday/", {"day": day, "month": 3})
    tasks.each_hour()

    assert points(customer) == 25
    assert "once it is complete" not in text(portal.get(PAGE))
    assert "Your complete profile" in text(portal.get("/s/masala/points/"))


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        ({"last_name": " "}, "your first and last name"),
        ({"phone": ""}, "your telephone number"),
        ({"billing": {"city": "Pune", "country": "IN"}}, "your address"),
        ({"billing": {"address_1": None, "city": "Pune", "country": "IN"}}, "your address"),
    ],
)
def test_what_is_missing_is_said_and_earns_nothing_until_the_shop_knows_it(portal, store, customer, lack, said):
    make_occasion(store, "profile", 25)
    complete = {name: getattr(customer, name) for name in lack}
    type(customer).objects.filter(pk=customer.pk).update(**lack)

    portal.post(f"{PAGE}birthday/", {"day": 11, "month": 3})

    assert f"We do not know yet: {said} Name," in text(portal.get(PAGE))
    assert points(customer) == 0
    type(customer).objects.filter(pk=customer.pk).update(**complete)
    tasks.each_hour()
    assert points(customer) == 25


def test_the_telephone_number_of_the_address_counts(program, store):
    make_occasion(store, "profile", 25)
    customer = make_customer(store, first_name="Asha", last_name="Rao", billing=KNOWN["billing"] | {"phone": "98"})
    birthday = Birthday.objects.create(store=store, customer=customer, month=2, day=29)

    assert profiles.missing(customer, birthday) == []
    assert profiles.reward(store, timezone.now()) == 1
    assert profiles.reward(store, timezone.now()) == 0


def test_the_hourly_pass_costs_the_same_however_many_are_complete(program, store, django_assert_max_num_queries):
    make_occasion(store, "profile", 25)

    def complete(count):
        for _number in range(count):
            customer = make_customer(store, first_name="Asha", last_name="Rao", **KNOWN)
            Birthday.objects.create(store=store, customer=customer, month=2, day=29)

    for count in (1, 9):
        complete(count)
        with django_assert_max_num_queries(16):
            assert profiles.reward(store, timezone.now()) == count


def test_who_takes_no_part_earns_neither(portal, store, program, customer):
    make_occasion(store, "profile", 25)
    make_occasion(store, "social_share", 10)
    Birthday.objects.create(store=store, customer=customer, month=2, day=29)
    members.leave(program, customer, Member.Way.PORTAL, timezone.now() - timedelta(hours=1))

    assert portal.post(f"{PAGE}share/").status_code == 404
    tasks.each_hour()

    assert points(customer) == 0


def test_telling_others_earns_once_and_leads_to_the_networks(portal, store, customer):
    assert "Tell others" not in text(portal.get(PAGE))
    make_occasion(store, "social_share", 10)

    page = portal.get(PAGE).content.decode()
    for network in ("wa.me", "t.me", "www.facebook.com", "x.com"):
        (link,) = re.findall(rf'href="(https://{re.escape(network)}/[^"]+)"', page)
        assert store.url in unquote(link)
    for _twice in range(2):
        answer = portal.post(f"{PAGE}share/", follow=True)

    assert points(customer) == 10
    assert "You had your points for this." in text(answer) and "Thank you! 10 points" not in text(answer)
    assert "You told others about us" in text(portal.get("/s/masala/points/"))


def test_what_is_shared_is_the_members_own_link_where_friends_are_rewarded(portal, store, program):
    make_occasion(store, "social_share", 10)
    ReferralTerms.objects.create(program=program)
    portal.post(f"{PAGE}link/")

    page = unquote(portal.get(PAGE).content.decode())

    assert re.search(r"https://wa\.me/\?text=I shop at Masala House: http\S+/s/masala/invite/", page)


def test_while_the_programme_is_paused_nothing_is_offered(portal, store):
    make_occasion(store, "social_share", 10)
    make_occasion(store, "profile", 10)
    Program.objects.update(active=False)

    page = text(portal.get(PAGE))

    assert "Tell others" not in page and "Your profile" not in page
