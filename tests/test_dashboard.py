from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from crm.woocommerce.models import Incident, Push
from loyalty.models import Adjustment
from postpurchase import dashboard
from support import tickets
from tests.factories import (
    NOW,
    make_account,
    make_customer,
    make_order,
    make_referral,
    make_staff,
    make_store,
    make_ticket,
)

pytestmark = pytest.mark.django_db
AT = datetime(2026, 6, 18, 12, tzinfo=UTC)  # a Thursday


def order(store, customer, days_ago, **fields):
    when = AT - timedelta(days=days_ago)
    return make_order(store, customer, **{"date_created_gmt": when, "date_paid_gmt": when} | fields)


def test_revenue_by_week_tells_new_from_returning_customers_net_of_refunds(store):
    regular, newcomer = make_customer(store), make_customer(store)
    order(store, regular, 300)
    order(store, regular, 0, total=Decimal("80.00"), refunded_total=Decimal("30.00"))
    order(store, newcomer, 1, total=Decimal("20.00"))
    order(store, newcomer, 1, is_paid=False)
    order(make_store(), None, 0)

    chart = dashboard.revenue_by_week(store, AT)

    assert len(chart.rows) == 12
    assert chart.rows[-1] == ["Mon, 15 June 2026", "₹20.00", "₹50.00"]
    assert chart.rows[-2][1:] == ["₹0.00", "₹0.00"]


def test_a_day_begins_when_it_begins_in_the_shop(store):
    # 20:00 in London is the next day in Kolkata.
    order(store, None, 0, date_created_gmt=datetime(2026, 6, 16, 20, tzinfo=UTC))

    rows = dict(dashboard.orders_by_day(store, AT).rows)

    assert rows["Wed, 17 June 2026"] == "1"


def test_figures_compare_with_the_month_before(store):
    customer = make_customer(store)
    order(store, customer, 40, total=Decimal("100.00"))
    order(store, customer, 3, total=Decimal("150.00"))
    order(store, make_customer(store), 3, total=Decimal("50.00"))

    net, orders, returning = dashboard.sales_figures(store, AT)[:3]

    assert (net.value, net.note) == ("₹200.00", "+100% on the 30 days before")
    assert orders.value == "2"
    assert (returning.value, returning.note) == ("50%", "1 of 2 in 30 days")


def test_staff_choose_among_their_stores_only(client, store):
    other = make_store(name="Somebody else's")
    client.force_login(make_staff(store))

    answer = client.get("/admin/", {"store": other.slug})

    assert answer.status_code == 200
    assert answer.context["dashboard"].store == store
    assert other.name not in answer.content.decode()


def test_without_a_store_it_says_how_to_connect_one(admin_client):
    assert "connect_store" in admin_client.get("/admin/").content.decode()


@pytest.mark.parametrize("count", [1, 15])
def test_it_costs_the_same_number_of_statements_whatever_the_shop_sold(store, count, django_assert_max_num_queries):
    for n in range(count):
        order(store, make_customer(store), n)

    with django_assert_max_num_queries(25):
        dashboard.draw(store, [store], AT)


def test_it_says_who_waits_and_how_long_the_first_answer_took(store):
    opened = AT - timedelta(hours=1)
    answered, _late = make_ticket(store, at=opened), make_ticket(store, at=opened)
    make_ticket(make_store(), at=opened)
    tickets.reply_from_staff(answered, make_staff(store), "Here it is.", at=opened + timedelta(minutes=3))

    waiting, median = dashboard.desk_figures(store, AT)
    buckets = dict(dashboard.first_answers(store, AT).rows)

    assert (waiting.value, waiting.note, waiting.alarm) == ("1", "1 is late", True)
    assert median.value == "3 minutes"
    assert (buckets["5 minutes"], buckets["never"]) == ("1", "1")


@pytest.mark.parametrize(("role", "shown"), [("owner", True), ("agent", False)])
def test_owners_see_what_could_not_be_written_into_the_shop(client, store, role, shown):
    for state, outcome in (("parked", "refused"), ("parked", "given_up"), ("due", "queued")):
        Push.objects.create(store=store, kind="coupon", key=outcome, payload={}, state=state, outcome=outcome)
    client.force_login(make_staff(store, role))

    figures = client.get("/admin/").context["dashboard"].figures

    found = [figure for figure in figures if figure.label == "Not written into the shop"]
    assert [figure.value for figure in found] == (["2"] if shown else [])
    if shown:
        assert client.get(found[0].href).context["cl"].result_count == 2


@pytest.mark.parametrize(("role", "shown"), [("owner", True), ("agent", False)])
def test_owners_see_what_waits_for_their_decision(client, store, role, shown):
    member, asker = make_customer(store), make_staff(store)
    account = make_account(member)
    for state in ("waiting", "waiting", "refused"):
        Adjustment.objects.create(store=store, account=account, points=5, reason="Late", state=state, asked_by=asker)
    make_referral(member, flags=["phone"], state="delivered")
    make_referral(member, flags=["phone"], decided_at=NOW)
    make_referral(member)
    client.force_login(make_staff(store, role))

    figures = client.get("/admin/").context["dashboard"].figures

    found = {figure.label: figure for figure in figures if figure.label.endswith("to decide on")}
    assert {label: figure.value for label, figure in found.items()} == (
        {"Adjustments to decide on": "2", "Invited friends to decide on": "1"} if shown else {}
    )
    for figure in found.values():
        assert str(client.get(figure.href).context["cl"].result_count) == figure.value


def test_trouble_with_the_shop_comes_first_and_to_owners_alone(client, store):
    Incident.objects.create(store=store, kind="sync", message="The shop sleeps.", opened_at=NOW, last_seen_at=NOW)
    pages = {}
    for role in ("owner", "agent"):
        client.force_login(make_staff(store, role))
        pages[role] = client.get("/admin/").content.decode()

    assert "The shop sleeps." in pages["owner"]
    assert f"/admin/woocommerce/connection/{store.pk}/change/" in pages["owner"]
    assert "The shop sleeps." not in pages["agent"]
