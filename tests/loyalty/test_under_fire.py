"""The ledger's scenarios at small figures; `make chaos ARGS="L1 L2 L5 L6"` has them at full ones."""

import pytest

from loyalty import ledger as points_ledger
from loyalty import proof
from postpurchase.chaos import ledger, points

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_who_spend_at_once_spend_what_is_there_and_lost_answers_are_given_again():
    wrong, lost = ledger.spend_at_once(seed=1, rounds=4, threads=12)

    assert (wrong, list(proof.differences())) == (0, [])
    assert lost


def test_transfers_both_ways_do_not_block_each_other():
    assert ledger.transfer_both_ways(seed=1, connections_=6, transfers=240) == 0


def test_an_expiry_that_is_killed_takes_each_lot_once():
    odd, _hits = ledger.expire_under_fire(seed=1, lots=400, kills=1)

    assert (odd, list(proof.differences())) == (0, [])


def test_points_follow_from_what_an_order_is_in_the_end_and_from_the_rate_of_its_day(db):
    figures = points.lives(seed=1, orders=40)

    assert [figure for figure in figures if figure.value] == []


def test_a_posting_alone_is_one_statement_once_a_drain_is_asked_for(django_assert_num_queries):
    [account] = ledger.people("alone", 1)
    points_ledger.earn(account, 10, "first")

    with django_assert_num_queries(1):
        points_ledger.earn(account, 10, "second")
    with django_assert_num_queries(1):
        points_ledger.redeem(account, 20, "third")
