"""Owners have the lists of the books as CSV, as they are filtered."""

import csv
import io

import pytest

from crm.stores.models import Membership
from loyalty import ledger
from tests.factories import (
    make_account,
    make_credit,
    make_customer,
    make_program,
    make_redemption,
    make_reward,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db
BOOKS = "/admin/loyalty/ledgerentry/"


@pytest.fixture
def account(store):
    make_program(store, adjust_limit=100)
    return make_account(make_customer(store, email="asha@mail.example"), 1000)


@pytest.fixture
def owner(client, store):
    client.force_login(person := make_staff(store))
    return person


def rows(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_staff_log_is_downloaded_as_it_is_filtered(client, store, owner, account, django_assert_max_num_queries):
    ledger.adjust(account, -60, "=A mistake", owner)
    ledger.adjust(make_credit(account.customer, 500), 250, "Sorry", owner)
    ledger.earn(account, 7, cause="review:1")
    assert f"{BOOKS}download/?kind__exact=adjust" in client.get(BOOKS, {"kind__exact": "adjust"}).content.decode()

    with django_assert_max_num_queries(20):
        found = rows(client.get(f"{BOOKS}download/", {"kind__exact": "adjust", "q": "asha"}))

    log = [(row["Points or credit"], row["Unit"], row["Balance after"], row["Reason"], row["By"]) for row in found]
    assert [row for row in log if row[4]] == [
        ("2.50", store.currency, "7.50", "Sorry", str(owner)),
        ("-60", "points", "940", "'=A mistake", str(owner)),
    ]
    assert {row["E-mail"] for row in found} == {"asha@mail.example"} and {row["Kind"] for row in found} == {"Adjusted"}


def test_adjustments_and_redemptions_are_downloaded_too(client, store, owner, account):
    ledger.adjust(account, 500, "Generous", owner)
    make_redemption(account, make_reward(store), code="ASHA-50")

    asked = rows(client.get("/admin/loyalty/adjustment/download/", {"state__exact": "waiting"}))
    taken = rows(client.get("/admin/loyalty/redemption/download/"))

    assert [(row["Points or credit"], row["State"], row["Asked by"], row["Decided by"]) for row in asked] == [
        ("500", "Waiting for approval", str(owner), "")
    ]
    assert [(row["Code"], row["Reward"], row["State"]) for row in taken] == [("ASHA-50", "₹50.00 off", "Ready")]


def test_only_owners_download_and_only_of_their_own_stores(client, store, account):
    for role in ("viewer", "agent"):
        client.force_login(make_staff(store, role))
        assert "download/" not in client.get(BOOKS).content.decode()
        assert client.get(f"{BOOKS}download/").status_code == 403
    elsewhere = make_store()
    client.force_login(person := make_staff(elsewhere))
    Membership.objects.create(store=store, user=person, role="viewer")

    assert "asha@mail.example" in client.get(BOOKS).content.decode()
    assert rows(client.get(f"{BOOKS}download/")) == []
    assert client.get(f"{BOOKS}download/", {"nonsense": "1"}).status_code == 302
