"""Tiers: up at once, down only when the year, the grace and the notice are over. By table, with an injected clock."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.messaging import compose
from crm.messaging.models import Message
from crm.orders.customers import join_guest
from crm.stores.models import Membership
from crm.work import drain
from loyalty import ledger, members, reaching, tiers
from loyalty.models import Account, Campaign, Tier, TierChange, TierStanding
from tests.factories import (
    at,
    make_account,
    make_customer,
    make_guest,
    make_member,
    make_order,
    make_program,
    make_staff,
    make_store,
    make_tier,
    sign_in,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House", timezone="Asia/Kolkata")


@pytest.fixture
def program(store):
    program = make_program(store)
    make_tier(program, "Silver", 500)
    make_tier(program, "Gold", 1000, multiplier=Decimal("1.5"), perks="Early access")
    return program


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


def buy(customer, total, when, **fields):
    moment = at(when)
    return make_order(
        customer.store, customer, total=Decimal(total), date_paid_gmt=moment, date_created_gmt=moment, **fields
    )


def tier_of(customer):
    return TierStanding.objects.filter(customer=customer).values_list("tier__name", flat=True).first()


def history():
    return [(c.was, c.became, c.why) for c in TierChange.objects.order_by("pk")]


# --- up ---
def test_an_order_lifts_at_once_and_the_member_is_told(program, store, customer):
    order = buy(customer, 1200, "2026-06-15T12:00")
    now = timezone.now()
    order.date_paid_gmt = order.date_created_gmt = now
    order.save()
    recording.record("order.paid", store, order.woo_id, customer=customer, order=order, occurred_at=now)

    drain.drain_all()

    assert tier_of(customer) == "Gold"
    assert history() == [("", "Gold", "reached")]
    assert Account.objects.get(customer=customer).tier == "gold"
    assert Event.objects.get(type="tier.changed").data == {"from": "", "to": "Gold", "why": "reached"}
    subject, text, _html = compose.render(Message.objects.get(kind="tier-reached"))
    assert "You have reached Gold" in subject
    assert "1.5 times the points" in text and "Early access" in text


@pytest.mark.parametrize(
    ("orders", "now", "tier"),
    [
        ([(499, "2026-03-01T12:00")], "2026-06-01T12:00", None),
        ([(500, "2026-03-01T12:00")], "2026-06-01T12:00", "Silver"),
        ([(500, "2026-03-01T12:00"), (500, "2026-05-01T12:00")], "2026-06-01T12:00", "Gold"),
        # The year begins at midnight in Kolkata, 18:30 UTC of New Year's Eve.
        ([(1000, "2025-12-31T18:29")], "2026-06-01T12:00", None),
        ([(1000, "2025-12-31T18:30")], "2026-06-01T12:00", "Gold"),
        ([(1000, "2026-12-31T18:29")], "2026-12-31T18:29", "Gold"),
        ([(1000, "2026-12-31T18:29")], "2026-12-31T18:31", None),
    ],
)
def test_the_calendar_year_is_the_stores(program, store, customer, orders, now, tier):
    for total, when in orders:
        buy(customer, total, when)

    tiers.check(store, [customer.pk], at(now))

    assert tier_of(customer) == tier


@pytest.mark.parametrize(
    ("paid", "now", "tier"),
    [
        ("2025-06-02T12:00", "2026-06-01T12:00", "Gold"),
        ("2025-05-31T18:30", "2026-06-01T12:00", "Gold"),
        ("2025-05-31T18:29", "2026-06-01T12:00", None),
        # A year before the 29th of February is the 1st of March.
        ("2027-02-28T18:30", "2028-02-29T12:00", "Gold"),
        ("2027-02-28T18:29", "2028-02-29T12:00", None),
    ],
)
def test_the_rolling_year_is_the_last_twelve_months(program, store, customer, paid, now, tier):
    type(program).objects.update(tier_window="rolling")
    buy(customer, 1000, paid)

    tiers.check(store, [customer.pk], at(now))

    assert tier_of(customer) == tier


@pytest.mark.parametrize(("measure", "tier"), [("spend", "Silver"), ("orders", None), ("points", "Gold")])
def test_tiers_are_reached_by_money_points_or_orders(program, store, customer, measure, tier):
    type(program).objects.update(tier_measure=measure)
    buy(customer, 600, "2026-03-01T12:00")
    account = make_account(customer)
    ledger.earn(account, 2000, "order:1:1", at=at("2026-03-01T12:00"))
    ledger.post(account, "adjust", 9000, "gift", at=at("2026-03-01T12:00"))
    ledger.redeem(account, 1500, "coupon", at=at("2026-03-02T12:00"))
    ledger.post(account, "reverse", -900, "order:1:2", at=at("2026-03-03T12:00"))

    tiers.check(store, [customer.pk], at("2026-06-01T12:00"))

    assert tier_of(customer) == tier


def test_orders_are_counted_where_that_is_the_measure(program, store, customer):
    type(program).objects.update(tier_measure="orders")
    Tier.objects.filter(name="Silver").update(threshold=2)
    for _ in range(2):
        buy(customer, 10, "2026-03-01T12:00")
    buy(customer, 10, "2026-03-01T12:00", refunded_total=Decimal(10))

    tiers.check(store, [customer.pk], at("2026-06-01T12:00"))

    assert tier_of(customer) == "Silver"


@pytest.mark.parametrize(
    "change",
    [
        {"refunded_total": Decimal(600)}, {"status": "cancelled"}, {"status": "refunded"}, {"is_paid": False},
        {"currency": "USD"}, {"deleted_at": at("2026-04-01T12:00")},
    ],
)  # fmt: skip
def test_what_did_not_stay_with_the_shop_does_not_count(program, store, customer, change):
    buy(customer, 1000, "2026-03-01T12:00", **change)

    tiers.check(store, [customer.pk], at("2026-06-01T12:00"))

    assert tier_of(customer) is None


def test_a_refund_never_takes_a_tier_away_at_once(program, store, customer):
    order = buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))
    order.refunded_total = 1000
    order.save()

    tiers.check(store, [customer.pk], at("2026-06-01T12:00"))
    tiers.nightly(store, at("2026-06-01T12:00"))

    assert tier_of(customer) == "Gold"


def test_who_takes_no_part_is_in_no_tier(program, store, customer):
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))
    members.leave(program, customer, "portal", timezone.now())
    drain.drain_all()

    assert tier_of(customer) is None
    assert history()[-1] == ("Gold", "", "left")
    assert Account.objects.get().tier == ""
    tiers.nightly(store, at("2026-06-01T12:00"))
    assert tier_of(customer) is None


# --- down ---
@pytest.mark.parametrize(
    ("again", "now", "tier"),
    [
        (0, "2026-12-31T18:29", "Gold"),
        (0, "2027-01-30T18:29", "Gold"),
        (0, "2027-01-30T18:31", None),
        (500, "2027-01-30T18:31", "Silver"),
        (999, "2027-01-30T18:31", "Silver"),
        (1000, "2027-01-30T18:31", "Gold"),
    ],
    ids=["in the year", "in the days of grace", "after them", "half", "nearly", "reached again"],
)
def test_down_only_after_the_year_and_the_days_of_grace(program, store, customer, again, now, tier):
    """Reached in 2025; the year 2026 decides."""
    buy(customer, 1000, "2025-03-01T12:00")
    tiers.check(store, [customer.pk], at("2025-03-01T12:00"))
    tiers.nightly(store, at("2026-01-02T12:00"))
    assert TierStanding.objects.get().ends_on == date(2027, 1, 1)
    if again:
        buy(customer, again, "2026-07-01T12:00")
    tiers.nightly(store, at("2026-12-10T12:00"))

    for _ in range(2):
        tiers.nightly(store, at(now))

    assert tier_of(customer) == tier


def test_what_is_reached_in_the_days_of_grace_counts(program, store, customer):
    buy(customer, 1000, "2025-03-01T12:00")
    tiers.check(store, [customer.pk], at("2025-03-01T12:00"))
    for day in ("2026-01-02T12:00", "2026-12-10T12:00"):
        tiers.nightly(store, at(day))
    buy(customer, 1000, "2027-01-20T12:00")

    tiers.nightly(store, at("2027-02-10T12:00"))

    assert tier_of(customer) == "Gold"
    assert TierStanding.objects.get().ends_on == date(2028, 1, 1)


def test_nobody_goes_down_without_a_word_though_the_pass_did_not_run(program, store, customer):
    buy(customer, 1000, "2025-03-01T12:00")
    tiers.check(store, [customer.pk], at("2025-03-01T12:00"))
    tiers.nightly(store, at("2026-01-02T12:00"))

    tiers.nightly(store, at("2027-03-01T12:00"))
    assert tier_of(customer) == "Gold"
    assert Message.objects.filter(kind="tier-ending").count() == 1

    tiers.nightly(store, at("2027-03-09T12:00"))
    assert tier_of(customer) is None
    assert history()[-1] == ("Gold", "", "missed")


def test_the_notice_says_what_is_missing_and_comes_once(program, store, customer):
    buy(customer, 1000, "2025-03-01T12:00")
    tiers.check(store, [customer.pk], at("2025-03-01T12:00"))
    tiers.nightly(store, at("2026-01-02T12:00"))
    buy(customer, 700, "2026-07-01T12:00")

    tiers.nightly(store, at("2026-12-01T12:00"))
    assert not Message.objects.filter(kind="tier-ending").exists()
    for day in ("2026-12-02T12:00", "2026-12-03T12:00"):
        tiers.nightly(store, at(day))

    subject, text, html = compose.render(Message.objects.get(kind="tier-ending"))
    assert "Your Gold level ends on Sun, 31 January 2027" in subject
    assert "Orders of ₹300.00 more by Thu, 31 December 2026 keep it for another year." in text
    assert "Otherwise you will be Silver." in html


def test_who_did_enough_gets_no_notice(program, store, customer):
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))

    tiers.nightly(store, at("2026-12-20T12:00"))

    assert not Message.objects.filter(kind="tier-ending").exists()


def test_a_rolling_year_is_each_members_own(program, store, customer):
    type(program).objects.update(tier_window="rolling", tier_grace_days=10)
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))
    assert TierStanding.objects.get().ends_on == date(2027, 3, 1)
    tiers.nightly(store, at("2027-02-15T12:00"))

    tiers.nightly(store, at("2027-03-10T12:00"))
    # The order of the very day on which it was reached is in that year.
    assert (tier_of(customer), TierStanding.objects.get().ends_on) == ("Gold", date(2028, 3, 1))

    tiers.nightly(store, at("2028-02-15T12:00"))
    tiers.nightly(store, at("2028-03-11T12:00"))
    assert tier_of(customer) is None


# --- the pass ---
def test_the_first_look_is_silent(program, store, customer):
    buy(customer, 1000, "2026-03-01T12:00")

    assert tiers.nightly(store, at("2026-06-01T12:00")) == 1
    assert tiers.nightly(store, at("2026-06-02T12:00")) == 0

    assert tier_of(customer) == "Gold"
    assert not Message.objects.exists()


def test_a_tier_that_is_deleted_leaves_its_members_in_the_one_they_reach(program, store, customer):
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.nightly(store, at("2026-06-01T12:00"))
    Tier.objects.get(name="Gold").delete()

    tiers.nightly(store, at("2026-06-02T12:00"))

    assert (tier_of(customer), Account.objects.get().tier) == ("Silver", "silver")
    Tier.objects.all().delete()
    tiers.nightly(store, at("2026-06-03T12:00"))
    assert Account.objects.get().tier == ""


@pytest.mark.parametrize("window", ["calendar", "rolling"])
def test_the_pass_costs_the_same_however_many(window, django_assert_max_num_queries):
    def asked_with(size):
        store = make_store(timezone="Asia/Kolkata")
        make_tier(make_program(store, tier_window=window), "Silver", 500)
        for year in (2024, 2025):
            for _ in range(size):
                buy(make_customer(store), 600, f"{year}-03-01T12:00")
            tiers.nightly(store, at(f"{year}-03-02T12:00"))
        with django_assert_max_num_queries(60) as asked:
            tiers.nightly(store, at("2026-03-20T12:00"))
        return len(asked)

    assert asked_with(20) == asked_with(2)


def test_another_stores_customers_have_their_own_tiers(program, store, customer):
    elsewhere = make_customer(make_store())
    make_program(elsewhere.store)
    buy(elsewhere, 5000, "2026-03-01T12:00")

    tiers.nightly(store, at("2026-06-01T12:00"))
    tiers.nightly(elsewhere.store, at("2026-06-01T12:00"))

    assert not TierStanding.objects.exists()


# --- merging ---
@pytest.mark.parametrize(
    ("guest_total", "own_total", "tier"), [(1000, 0, "Gold"), (500, 0, "Silver"), (500, 500, "Gold"), (0, 1000, "Gold")]
)
def test_a_guest_and_the_registered_customer_are_one(program, store, customer, guest_total, own_total, tier):
    guest = make_guest(store, email=customer.email)
    this_year = timezone.now().isoformat()[:16]
    for who, total in ((guest, guest_total), (customer, own_total)):
        if total:
            buy(who, total, this_year)
            tiers.check(store, [who.pk], timezone.now())

    join_guest(store, customer.email, timezone.now())
    drain.drain_all()

    assert (tier_of(guest), tier_of(customer)) == (None, tier)


# --- for people ---
def test_progress_tells_what_is_missing_to_the_next_tier_and_to_keep_this_one(program, store, customer):
    buy(customer, 700, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))

    found = reaching.progress(program, [customer.pk], at("2026-06-01T12:00"))

    assert (found.tier.name, found.next.name, found.missing, found.percent) == ("Silver", "Gold", 300, 70)
    assert (found.keep_missing, found.ends_on, found.drops_on) == (0, date(2027, 1, 1), date(2027, 1, 31))
    later = reaching.progress(program, [customer.pk], at("2027-01-10T12:00"))
    assert (later.tier.name, later.missing, later.keep_missing) == ("Silver", 1000, 0)


def test_progress_of_somebody_new(program, customer):
    found = reaching.progress(program, [customer.pk], at("2026-06-01T12:00"))

    assert (found.tier, found.next.name, found.missing, found.percent, found.ends_on) == (None, "Silver", 500, 0, None)


def test_a_programme_without_tiers_has_no_progress(store, customer):
    assert reaching.progress(make_program(store), [customer.pk], at("2026-06-01T12:00")) is None


def test_the_portal_shows_the_level_and_the_way_to_the_next(client, program, store, customer):
    buy(customer, 700, timezone.now().isoformat()[:16])
    tiers.check(store, [customer.pk], timezone.now())
    sign_in(client, customer.email)

    page = " ".join(re.sub(r"<[^>]+>", " ", client.get("/s/masala/membership/").content.decode()).split())

    assert "Your level: Silver" in page
    assert "₹300.00 to Gold" in page
    assert "You have done enough to keep Silver for another year." in page


# --- staff and programs ---
def terms_form(**rows):
    form = {
        "enrolment": "automatic", "leaving_days": 30, "expiry": "never", "expiry_months": 12, "tier_measure": "spend",
        "tier_window": "calendar", "tier_grace_days": 30, "tier_notice_days": 30,
        "tiers-TOTAL_FORMS": 1, "tiers-INITIAL_FORMS": 0, "tiers-MIN_NUM_FORMS": 0, "tiers-MAX_NUM_FORMS": 100,
        "referral_terms-TOTAL_FORMS": 0, "referral_terms-INITIAL_FORMS": 0, "referral_terms-MIN_NUM_FORMS": 0,
        "referral_terms-MAX_NUM_FORMS": 1,
    }  # fmt: skip
    return form | rows


def test_the_owner_makes_a_tier_and_its_multiplier_is_a_campaign(client, store):
    program = make_program(store)
    client.force_login(make_staff(store))
    url = f"/admin/loyalty/membershipterms/{program.pk}/change/"
    row = {
        "tiers-0-name": "Gold Circle",
        "tiers-0-threshold": "1000",
        "tiers-0-multiplier": "1.5",
        "tiers-0-colour": "#aa8800",
    }

    assert client.post(url, terms_form(**row)).status_code == 302

    tier = Tier.objects.get()
    assert (tier.key, tier.campaign.tiers, tier.campaign.multiplier, tier.campaign.active) == (
        "gold-circle", ["gold-circle"], Decimal("1.5"), True,
    )  # fmt: skip
    again = row | {
        "tiers-INITIAL_FORMS": 1,
        "tiers-0-id": tier.pk,
        "tiers-0-program": program.pk,
        "tiers-0-multiplier": "1",
    }
    assert client.post(url, terms_form(**again)).status_code == 302
    assert not Campaign.objects.get().active


def test_a_viewer_sees_the_terms_and_changes_nothing(client, store, program):
    client.force_login(make_staff(store, Membership.Role.VIEWER))
    url = f"/admin/loyalty/membershipterms/{program.pk}/change/"

    assert "Gold" in client.get(url).content.decode()
    assert client.post(url, terms_form()).status_code == 403


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("", ["1", "1", "1"]),
        ("?tier_measure=spend&tier_window=calendar&thresholds=100,600", ["0", "1", "2"]),
        ("?tier_measure=orders&tier_window=calendar&thresholds=1", ["0", "3"]),
    ],
)
def test_thresholds_are_tried_before_they_are_saved(client, store, program, query, counts):
    this_year = timezone.now().isoformat()[:16]
    for total in (100, 700, 1200):
        customer = make_customer(store)
        make_account(customer)
        buy(customer, total, this_year)
    client.force_login(make_staff(store))

    page = client.get(f"/admin/loyalty/membershipterms/{program.pk}/preview/{query}").content.decode()

    assert re.findall(r'text-right">(\d+)</td></tr>', page) == counts
    assert list(Tier.objects.values_list("threshold", flat=True)) == [500, 1000]


@pytest.mark.parametrize("thresholds", ["x", "-5", ""])
def test_odd_thresholds_are_refused(client, store, program, thresholds):
    client.force_login(make_staff(store))

    url = f"/admin/loyalty/membershipterms/{program.pk}/preview/?tier_measure=spend&tier_window=calendar"
    page = client.get(f"{url}&thresholds={thresholds}").content.decode()

    assert "<tbody>" not in page


def test_staff_see_the_tier_of_a_member_and_how_it_came(client, store, program, customer):
    row = make_member(customer, joined_at=at("2026-01-01T00:00"))
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))
    client.force_login(make_staff(store, Membership.Role.AGENT))

    assert "Gold" in client.get("/admin/loyalty/member/").content.decode()
    assert "— → Gold (Reached)" in client.get(f"/admin/loyalty/member/{row.pk}/change/").content.decode()


def test_programs_read_the_tiers(api, program, store, customer):
    buy(customer, 1000, "2026-03-01T12:00")
    tiers.check(store, [customer.pk], at("2026-03-01T12:00"))

    rows = api.get("/api/v1/loyalty/tiers/").json()["results"]

    assert {row["key"]: (row["threshold"], row["members"]) for row in rows} == {
        "silver": ("500.00", 0),
        "gold": ("1000.00", 1),
    }
