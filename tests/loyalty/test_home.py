"""The portal's first page of points in each of its states, the statement, and the page for everybody."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.messaging import holds
from crm.stores import formats
from loyalty import earning, ledger, members
from loyalty.models import Lot, Program, ReferralTerms
from tests.factories import (
    make_account,
    make_customer,
    make_occasion,
    make_order,
    make_program,
    make_redemption,
    make_reward,
    make_store,
    make_tier,
    sign_in,
)
from tests.loyalty.test_portal import words

pytestmark = pytest.mark.django_db
HOME, STATEMENT, ABOUT = "/s/masala/points/", "/s/masala/points/statement/", "/s/masala/rewards/about/"


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"), point_value=Decimal("0.10"))


@pytest.fixture
def customer(client, store):
    customer = make_customer(store, email="asha@mail.example")
    sign_in(client, customer.email)
    return customer


@pytest.fixture
def home(client, program, customer):
    return lambda: words(client.get(HOME))


def bars(response):
    """`(words, value, most)` of each progress bar, by what labels it."""
    page = response.content.decode()
    found = re.findall(r'<progress max="(\d+)" value="(\d+)" aria-labelledby="([\w-]+)"', page)
    said = {key: re.search(rf'id="{key}">([^<]+)<', page)[1] for _most, _value, key in found}
    return [(said[key], int(value), int(most)) for most, value, key in found]


def test_the_way_to_the_next_reward_and_level_is_a_bar_with_words(client, home, program, customer):
    make_account(customer, 1240)
    make_reward(program.store, 500)
    make_reward(program.store, 1400, kind="shipping", amount=None)
    make_reward(program.store, 9000)
    make_reward(program.store, 1300, stock=0)
    make_tier(program, "Silver", 2000)
    make_order(program.store, customer, total=Decimal("500.00"), date_paid_gmt=timezone.now())

    response = client.get(HOME)

    assert bars(response) == [("160 more points for: Free shipping", 1240, 1400), ("₹1,500.00 to Silver", 25, 100)]
    assert "You can have now All rewards ₹50.00 off 500 points Choose this" in words(response)


def test_the_way_to_the_next_level_says_of_what(client, program, customer):
    make_tier(program, "Silver", 160)
    for measure, missing in (("points", "160 points"), ("orders", "160 orders"), ("spend", "₹160.00")):
        Program.objects.update(tier_measure=measure)

        assert bars(client.get(HOME)) == [(f"{missing} to Silver", 0, 100)]
        assert f"Silver {missing}" in words(client.get(ABOUT))


def test_what_is_pending_and_what_expires_stands_beside_the_balance(home, program, customer):
    at = timezone.now()
    Program.objects.update(pending_days=14, expiry="lot")
    account = make_account(customer, 200)
    Lot.objects.update(expires_at=at + timedelta(days=20))
    for _ in range(2):
        order = make_order(program.store, customer, total=Decimal("850.00"))
        earning.settle(program.store, [order.pk], history=True)
    Lot.objects.filter(order=order).update(available_from=at + timedelta(days=3))
    make_redemption(account, make_reward(program.store, active=False))

    text = home()

    assert "200 points worth ₹20.00 170 more points are on their way. 85 of them can be used from" in text
    assert re.search(r"200 points can be used until \w+, \d+ \w+ \d+\. You earn", text)
    assert "You can use them some days after the order has arrived. 85" in text
    assert "Your codes 1 is ready" in text
    holds.place(program.store, "ticket", [holds.Problem(customer.pk, "ticket:1", at)])
    day = formats.day(at, program.store.timezone)
    assert f"While this is open, none of your points expire: Your question to us, since {day}" in home()
    Program.objects.update(expiry="never")
    assert "While this is open" not in home()


def test_pending_points_alone_are_no_balance(client, home, program, customer):
    Program.objects.update(pending_days=14)
    order = make_order(program.store, customer, total=Decimal("850.00"))
    earning.settle(program.store, [order.pk], history=True)
    make_reward(program.store, 100)

    text = home()

    assert "0 points 85 more points are on their way." in text and "worth" not in text
    assert bars(client.get(HOME)) == [("100 more points for: ₹50.00 off", 0, 100)]
    assert "+85 On their way" in text


def test_one_joins_in_one_step_and_comes_back_in_one(client, home, program, customer):
    Program.objects.update(enrolment=Program.Enrolment.JOIN)
    make_reward(program.store, 100)
    assert "Collect points with your orders It is free" in home() and "more points for" not in home()

    page = client.post("/s/masala/membership/join/", follow=True)

    assert page.redirect_chain == [(HOME, 302)]
    assert "Welcome! From now on your orders earn points." in words(page) and "0 points" in words(page)
    ledger.post(customer.accounts.get(), ledger.Kind.ADJUST, 300, "gift")
    client.post("/s/masala/membership/leave/")
    text = home()
    assert "You have left the programme You have 300 points. Your points are kept until" in text
    assert "Come back" in text and "Choose this" not in text


def test_leaving_is_asked_twice(client, home, customer):
    page = client.get("/s/masala/membership/").content.decode()

    hidden = re.search(r"<details><summary>Leave the programme</summary>(.*?)</details>", page, re.S)[1]
    assert "then they are gone" in hidden and "Yes, leave the programme" in hidden


def test_the_page_is_small_and_costs_the_same_for_everybody(client, home, program, customer, django_assert_num_queries):
    def cost():
        with django_assert_num_queries(27):
            return client.get(HOME)

    account = make_account(customer, 1000)
    make_tier(program, "Silver", 2000)
    Program.objects.update(expiry="lot", pending_days=14)
    fill(program, customer, account, 1)
    cost()
    fill(program, customer, account, 30)

    assert len(cost().content) < 100_000


def fill(program, customer, account, times):
    for n in range(times):
        make_reward(program.store, 100 + n)
        order = make_order(program.store, customer)
        earning.settle(program.store, [order.pk], history=True)
        ledger.post(account, ledger.Kind.ADJUST, 5, f"gift:{times}:{n}")
    Lot.objects.filter(released_at__isnull=False).update(expires_at=timezone.now() + timedelta(days=9))


def test_the_statement_is_a_table_with_balances(client, home, program, customer):
    account = make_account(customer, 100)
    ledger.post(account, ledger.Kind.ADJUST, -30, "x")

    page = client.get(STATEMENT)

    assert "<caption" in page.content.decode()
    assert re.search(r"Adjusted by the shop [\w, ]+ -30 70 Adjusted by the shop [\w, ]+ \+100 100", words(page))


@pytest.mark.parametrize(("language", "heading"), [("en", "Date"), ("hi", "तारीख़")])
def test_the_statement_can_be_kept_as_a_harmless_table(client, home, program, customer, language, heading):
    account = make_account(customer)
    customer.language = language
    customer.save()
    ledger.post(account, ledger.Kind.ADJUST, 40, "x", note="=HYPERLINK(1)")
    ledger.post(account, ledger.Kind.ADJUST, -15, "y")
    for n in range(600):
        ledger.post(account, ledger.Kind.ADJUST, 1, f"z:{n}")

    response = client.get(f"{STATEMENT[:-1]}.csv")

    rows = list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))
    assert response["Content-Disposition"] == 'attachment; filename="points-masala.csv"'
    assert rows[0][0] == heading and len(rows) == 603
    assert rows[-1][3:] == ["40", "0", "40", "", "'=HYPERLINK(1)"] and rows[-2][3:6] == ["-15", "0", "25"]


def test_a_statement_is_nobody_elses(client, home, program, customer):
    make_account(make_customer(program.store), 777)

    assert "777" not in words(client.get(STATEMENT))
    assert b"777" not in client.get(f"{STATEMENT[:-1]}.csv").getvalue()
    client.logout()
    assert client.get(f"{STATEMENT[:-1]}.csv").status_code == 302


def test_the_page_for_everybody_is_the_same_for_everybody(client, program, customer, django_assert_max_num_queries):
    make_account(customer, 777)
    make_tier(program, "Gold", 2000, perks="Early access")
    make_reward(program.store, 500, stock=0)
    make_occasion(program.store, kind="review", points=50)
    ReferralTerms.objects.create(program=program, member_points=300, friend_points=100)
    with django_assert_max_num_queries(10):
        own = client.get(ABOUT)
    client.logout()
    client.cookies.clear()

    response = client.get(ABOUT)

    assert own.content == response.content and len(response.content) < 100_000
    assert response["Cache-Control"] == "public, max-age=300"
    for page in (own, response):
        assert "Cookie" not in page["Vary"] and not page.cookies
    text = words(response)
    for part in (
        "You earn 1 point for each ₹10.00. 100 points are worth ₹10.00.",
        "₹50.00 off Sold out Not together with other codes.",
        "Sold out",
        "Gold Early access ₹2,000.00",
        "Write a review of what you bought 50 points",
        "You get 300 points for each friend",
        "When can I use my points? At once, as soon as the order is paid.",
        "Do points expire? No.",
    ):
        assert part in text
    assert 'lang="hi"' in client.get(f"{ABOUT}?lang=hi").content.decode()


def test_the_page_for_everybody_follows_the_programme(client, program):
    Program.objects.update(enrolment="join", pending_days=1, expiry="inactivity", expiry_months=18, active=False)

    text = words(client.get(ABOUT))

    assert "Join free" in text and "The programme is paused" in text and "Ways to earn points" not in text
    assert "1 day after the order has arrived" in text
    assert "Only if you neither earn nor spend any for 18 months." in text
    Program.objects.update(expiry="lot", expiry_months=1)
    assert "Each earning does, 1 month after it can be used." in words(client.get(ABOUT))
    Program.objects.all().delete()
    assert "Masala House has no points programme at the moment." in words(client.get(ABOUT))


def test_the_first_page_invites_who_takes_no_part(client, home, program, customer):
    members.leave(program, customer, "portal", timezone.now())
    assert "You have left the programme How it works" in words(client.get("/s/masala/"))

    Program.objects.update(enrolment="join")
    sign_in(client, make_customer(program.store).email)

    assert "Collect points with your orders How it works" in words(client.get("/s/masala/"))
