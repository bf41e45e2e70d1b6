"""A batch that only brings points in is one statement, and comes to what its postings come to one by one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import ledger, proof
from loyalty.ledger import Kind, Posting
from loyalty.models import LedgerEntry, Lot
from tests.factories import NOW, make_account, make_customer, make_order, make_store

pytestmark = pytest.mark.django_db
ENTRY = [
    "number",
    "kind",
    "points",
    "pending",
    "shortfall",
    "balance_after",
    "cause",
    "order",
    "rule",
    "note",
    "created_by",
    "created_at",
]
LOT = ["order", "granted", "remaining", "available_from", "released_at", "expires_at"]


def test_a_batch_writes_what_its_postings_write_one_by_one():
    store = make_store()
    one, many = (make_account(make_customer(store)) for _ in range(2))
    order = make_order(store)

    def postings(account):
        return [
            Posting(account.pk, Kind.EARN, 10, 'say "ten"'),
            Posting(
                account.pk,
                Kind.EARN,
                20,
                "order:1",
                order_id=order.pk,
                rule={"rate": "0.1"},
                available_from=NOW + timedelta(1),
            ),
            Posting(account.pk, Kind.EARN, 30, "order:2", shortfall=-30, pending=True, expires_at=NOW + timedelta(30)),
            Posting(account.pk, Kind.ADJUST, 40, "gift", note="नमस्ते"),
            Posting(account.pk, Kind.EARN, 50, "again", available_from=NOW - timedelta(1)),
        ]

    for posting in postings(one):
        ledger.post_many([posting], at=NOW)
    with CaptureQueriesContext(connection) as queries:
        entries = ledger.post_many(postings(many), announce=False, at=NOW)

    assert len(queries) == 1
    assert rows(LedgerEntry, one, ENTRY) == rows(LedgerEntry, many, ENTRY)
    assert rows(Lot, one, LOT) == rows(Lot, many, LOT)
    held = {entry.pk: entry for entry in LedgerEntry.objects.filter(account=many)}
    for entry in entries:
        assert {f.attname: getattr(entry, f.attname) for f in entry._meta.concrete_fields} == {
            f.attname: getattr(held[entry.pk], f.attname) for f in entry._meta.concrete_fields
        }
        assert entry.customer_id == many.customer_id and not entry._state.adding
    assert proof.closes()


def test_a_batch_passes_over_what_was_posted_and_what_stands_in_it_twice():
    store = make_store()
    accounts = [make_account(make_customer(store)) for _ in range(3)]
    gifts = [Posting(account.pk, Kind.EARN, 10, "gift") for account in reversed(accounts)]
    ledger.post_many([*gifts, Posting(accounts[0].pk, Kind.EARN, 99, "gift")])

    entries = ledger.post_many([*gifts, Posting(accounts[1].pk, Kind.EARN, 5, "more")])

    assert [(entry.account_id, entry.points, entry.balance_after) for entry in entries] == [(accounts[1].pk, 5, 15)]
    assert [ledger.post_many(gifts * 2)] == [[]]
    assert LedgerEntry.objects.count() == 4
    assert proof.closes()


def rows(model, account, names):
    return list(model.objects.filter(account=account).order_by("pk").values_list(*names))
