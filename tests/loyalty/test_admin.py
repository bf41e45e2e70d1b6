import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.stores.models import Membership
from loyalty import earning, ledger
from loyalty.models import Account, Adjustment, LedgerEntry, Program
from tests.factories import make_account, make_customer, make_order, make_program, make_staff, make_store

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def program(store):
    return make_program(store, rate=Decimal("0.1"), point_value=Decimal("0.10"))


@pytest.fixture
def account(store, program):
    return make_account(make_customer(store, email="asha@mail.example"), 1000)


@pytest.fixture
def owner(client, store):
    client.force_login(make_staff(store))
    return client


def adjust(client, account, points, reason="A late parcel", cause=None):
    data = {"points": points, "reason": reason, "cause": cause or uuid.uuid4()}
    return client.post(f"/admin/loyalty/account/{account.pk}/adjust/", data, follow=True)


def text(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def form_of(program, **changes):
    values = {
        "name": program.name, "rate": program.rate, "rounding": program.rounding, "point_value": program.point_value,
        "pending_days": program.pending_days, "credit_code_days": program.credit_code_days,
    }  # fmt: skip
    return values | ({"active": "on"} if program.active else {}) | changes


def test_the_owner_adjusts_with_a_reason(owner, account):
    asked = owner.get(f"/admin/loyalty/account/{account.pk}/adjust/")
    assert "Asha Kulkarni (asha@mail.example) has 1,000 points." in text(asked)

    answer = adjust(owner, account, -250)

    assert "Done: the balance is 750 points now." in text(answer)
    entry = LedgerEntry.objects.get(points=-250)
    assert (entry.kind, entry.note, entry.created_by.memberships.get().store) == (
        "adjust",
        "A late parcel",
        account.store,
    )
    assert "A late parcel" in text(answer)


def test_the_page_says_what_the_balance_is_made_of(owner, account):
    ledger.earn(account, 50, "order:1", available_from=timezone.now() + timedelta(days=9))
    ledger.redeem(account, 300, "coupon:TEA")

    page = text(owner.get(f"/admin/loyalty/account/{account.pk}/change/"))

    assert re.search(r"What the balance is made of .* 700 of 1,000 .* now — 50 of 50 ", page)


def test_a_form_sent_twice_posts_once(owner, account):
    cause = uuid.uuid4()

    adjust(owner, account, 50, cause=cause)
    adjust(owner, account, 50, cause=cause)

    assert Account.objects.get().balance == 1050


@pytest.mark.parametrize(
    ("points", "reason", "said"),
    [
        (-1001, "Too much", "There are 1,000 points, 1,001 were asked for."),
        (0, "Nothing", "Nothing would change."),
        (5, "", "This field is required."),
        ("many", "Odd", "Enter a whole number."),
    ],
)
def test_a_bad_adjustment_is_told_at_the_form(owner, account, points, reason, said):
    assert said in text(adjust(owner, account, points, reason))
    assert Account.objects.get().balance == 1000


def test_agents_ask_for_points_and_an_owner_decides(client, store, account):
    client.force_login(agent := make_staff(store, Role.AGENT))
    assert "waits until an owner approves it" in text(client.get(f"/admin/loyalty/account/{account.pk}/adjust/"))

    assert "You asked for it: it waits until an owner approves it." in text(adjust(client, account, 5))

    asked = Adjustment.objects.get()
    decide = f"/admin/loyalty/adjustment/{asked.pk}/decide/"
    assert (asked.asked_by, asked.points, asked.entry, Account.objects.get().balance) == (agent, 5, None, 1000)
    assert client.post(decide, {"decision": "approve"}).status_code == 403
    client.force_login(make_staff(store))
    assert client.post(decide, {"decision": "approve"}).status_code == 302
    assert Account.objects.get().balance == 1005


def test_viewers_look_and_do_not_adjust(client, store, account):
    client.force_login(make_staff(store, Role.VIEWER))

    assert client.get("/admin/loyalty/account/").status_code == 200
    page = client.get(f"/admin/loyalty/account/{account.pk}/change/")
    assert page.status_code == 200
    assert b"/adjust/" not in page.content
    assert adjust(client, account, 5).status_code == 403
    assert Account.objects.get().balance == 1000


def test_the_owner_of_another_store_finds_nothing(client, account):
    other = make_store()
    client.force_login(make_staff(other))

    assert "asha@mail.example" not in text(client.get("/admin/loyalty/account/"))
    assert "asha@mail.example" not in text(client.get("/admin/loyalty/ledgerentry/"))
    assert client.get(f"/admin/loyalty/account/{account.pk}/change/", follow=True).redirect_chain
    assert adjust(client, account, 5).status_code in (403, 404)
    program = Program.objects.get()
    assert client.get("/admin/loyalty/program/example/", {"store": program.store_id, "rate": 1}).status_code == 403
    assert Account.objects.get().balance == 1000


@pytest.mark.parametrize("model", ["account", "ledgerentry"])
def test_nobody_edits_the_books(client, account, model):
    client.force_login(make_staff(is_superuser=True))
    row = account if model == "account" else account.entries.get()

    assert client.get(f"/admin/loyalty/{model}/add/").status_code == 403
    assert client.post(f"/admin/loyalty/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/admin/loyalty/{model}/{row.pk}/change/", {"balance": 9}).status_code == 403
    assert Account.objects.get().balance == 1000


def test_entries_are_searched_filtered_and_explained(owner, store, account):
    order = make_order(store, account.customer, total=Decimal("1299.00"))
    earning.settle(store, [order.pk], history=True)
    entry = LedgerEntry.objects.get(kind="earn")

    assert f"Order {order.number}" in text(owner.get("/admin/loyalty/ledgerentry/", {"q": order.number}))
    assert f"Order {order.number}" not in text(owner.get("/admin/loyalty/ledgerentry/", {"kind__exact": "adjust"}))
    assert f"Order {order.number}" in text(owner.get("/admin/loyalty/ledgerentry/", {"account__id__exact": account.pk}))
    assert "₹1,299.00 × 0.1 = 129.9, rounded down to 129." in text(
        owner.get(f"/admin/loyalty/ledgerentry/{entry.pk}/change/")
    )
    page = text(owner.get(f"/admin/loyalty/account/{account.pk}/change/"))
    assert "+129" in page and "1,129" in page and "₹112.90" in page


def test_lists_cost_the_same_whatever_their_length(owner, store, account, django_assert_max_num_queries):
    for _ in range(10):
        order = make_order(store, make_customer(store))
        earning.settle(store, [order.pk], history=True)
    owner.get("/admin/loyalty/account/")

    with django_assert_max_num_queries(12):
        owner.get("/admin/loyalty/account/")
    with django_assert_max_num_queries(12):
        owner.get("/admin/loyalty/ledgerentry/")
    with django_assert_max_num_queries(12):
        owner.get("/admin/loyalty/program/")


def test_the_programme_shows_what_it_does(owner, store, program):
    page = text(owner.get(f"/admin/loyalty/program/{program.pk}/change/"))

    assert (
        "An order of ₹649.00 (goods ₹500.00, shipping ₹50.00, tax ₹99.00) counts ₹500.00 and earns 50 points." in page
    )
    assert "They are shown as worth ₹5.00. If goods of ₹200.00 are sent back, 20 points are taken back." in page


def test_the_example_follows_the_form_and_saves_nothing(owner, store, program):
    url = "/admin/loyalty/program/example/"
    values = form_of(program, store=store.pk, rate="2", counts_taxes="on", counts_shipping="on")

    assert "counts ₹649.00 and earns 1,298 points" in owner.get(url, values).json()["text"]
    assert owner.get(url, values | {"rate": "x"}).json()["text"] == "Fill in the numbers above."
    assert owner.get(url, values | {"rate": "-1"}).json()["text"] == "Fill in the numbers above."
    assert owner.get(url, values | {"store": "9" * 30}).status_code == 403
    program.refresh_from_db()
    assert program.rate == Decimal("0.1")


def test_the_owner_changes_the_programme(owner, program):
    answer = owner.post(f"/admin/loyalty/program/{program.pk}/change/", form_of(program, rate="0.25", rounding="up"))

    assert answer.status_code == 302, text(answer)
    program.refresh_from_db()
    assert (program.rate, program.rounding) == (Decimal("0.25"), "up")


def test_a_pause_is_not_paid_for_afterwards(owner, program):
    Program.objects.update(active=False)
    program.refresh_from_db()

    owner.post(f"/admin/loyalty/program/{program.pk}/change/", form_of(program, active="on"))

    program.refresh_from_db()
    assert program.active
    assert timezone.now() - program.starts_at < timedelta(minutes=1)


def test_an_owner_makes_a_programme_for_a_store_of_theirs_only(owner, store):
    other = make_store()
    values = {
        "active": "on",
        "rate": "1",
        "rounding": "down",
        "point_value": "0.01",
        "pending_days": 0,
        "credit_code_days": 90,
    }

    refused = owner.post("/admin/loyalty/program/add/", values | {"store": other.pk})
    made = owner.post("/admin/loyalty/program/add/", values | {"store": store.pk})

    assert (refused.status_code, made.status_code) == (200, 302)
    assert list(Program.objects.values_list("store", flat=True)) == [store.pk]


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_others_than_the_owner_do_not_change_the_programme(client, store, program, role):
    client.force_login(make_staff(store, role))

    assert client.get(f"/admin/loyalty/program/{program.pk}/change/").status_code == 200
    assert client.post(f"/admin/loyalty/program/{program.pk}/change/", form_of(program, rate="9")).status_code == 403
    assert client.get("/admin/loyalty/program/add/").status_code == 403
