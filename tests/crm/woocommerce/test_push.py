"""Writes into the shop: once for each reason, looked for before they are repeated, compared with what was asked."""

import copy
import json

import pytest
from django.db import IntegrityError, transaction

from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.woocommerce.pushes.comparing import words
from crm.work import drain
from tests.factories import NOW, make_store

from .recordings import body
from .server import Reply, serving

pytestmark = pytest.mark.django_db

REVIEW = {
    "product_id": 11,
    "review": "Lovely tea & strong <3\nखूप छान!",
    "reviewer": "Asha",
    "reviewer_email": "asha@shop.example",
    "rating": 5,
}


class Shop:
    """A shop's reviews. `replies` are given in place of an answer, one a POST, after the review was saved or not."""

    def __init__(self):
        self.reviews = []
        self.posts = 0
        self.trouble = []
        self.change = {}

    def answer(self, request):
        if request["method"] == "GET":
            wanted = request["params"]
            rows = [
                row
                for row in self.reviews
                if str(row["product_id"]) == wanted["product"] and row["reviewer_email"] == wanted["reviewer_email"]
            ]
            assert wanted["status"] == "all"
            return Reply(rows, X_WP_Total=len(rows), X_WP_TotalPages=1)
        self.posts += 1
        saved, reply = self.trouble.pop(0) if self.trouble else (True, "")
        if saved:
            self.save(json.loads(request["body"]))
        return reply if reply != "" else Reply(self.reviews[-1], 201)

    def save(self, asked):
        row = copy.deepcopy(body("products-reviews")[0]) | asked | {"id": 500 + len(self.reviews)} | self.change
        # As WordPress does: entities, paragraphs and line breaks.
        text = asked["review"].replace("&", "&amp;").replace("<3", "&lt;3").replace("\n", "<br />\n")
        row["review"] = self.change.get("review", f"<p>{text}</p>\n")
        self.reviews.append(row)


@pytest.fixture
def shop():
    shop = Shop()
    with serving(shop.answer) as server:
        shop.store = make_store(url=server.url, insecure=True, signing="oauth")
        yield shop


@pytest.fixture
def confirmed(monkeypatch):
    """What the one who hears of confirmed reviews was told."""
    told = []
    monkeypatch.setitem(push._CONFIRMED, "product_review", [])
    push.on_confirmed("product_review", lambda row: told.append(row.woo_id))
    return told


def queue(shop, **fields):
    return push.queue(shop.store, "product_review", "answer:1", REVIEW | fields, at=NOW)


def attempt(row, at=NOW):
    drain.drain(Push, at=at)
    row.refresh_from_db()
    return row


def later(row):
    return row.due_at


def test_a_review_is_sent_compared_and_told_of_once(shop, confirmed):
    row = queue(shop)
    assert queue(shop) == row

    attempt(row)
    attempt(row)

    assert (row.state, row.outcome, row.woo_id) == ("done", "confirmed", 500)
    assert row.answer["rating"] == 5
    assert shop.posts == 1
    assert confirmed == [500]


def test_a_key_is_one_write_per_store_and_kind(shop):
    queue(shop)
    with pytest.raises(IntegrityError), transaction.atomic():
        Push.objects.create(store=shop.store, kind="product_review", key="answer:1", payload={})

    assert push.queue(make_store(), "product_review", "answer:1", REVIEW).pk


def test_an_unknown_kind_is_the_callers_mistake(shop):
    with pytest.raises(LookupError):
        push.queue(shop.store, "telegram", "1", {})


@pytest.mark.parametrize("saved", [True, False], ids=["the request had worked", "the request had not worked"])
@pytest.mark.parametrize(
    "reply", [None, Reply(b"<html>", 200), Reply("", 500), Reply({"code": "x", "message": "busy"}, 503)]
)
def test_after_an_unknown_outcome_it_looks_before_it_sends_again(shop, confirmed, saved, reply):
    shop.trouble = [(saved, reply)]
    row = attempt(queue(shop))
    assert (row.state, row.outcome) == ("due", "sent")
    assert confirmed == []

    attempt(row, later(row))

    assert (row.state, row.outcome) == ("done", "confirmed")
    assert len(shop.reviews) == 1
    assert shop.posts == (1 if saved else 2)
    assert confirmed == [500]


def test_a_process_that_died_after_sending_leaves_a_row_that_is_looked_up(shop, confirmed):
    row = queue(shop)
    [claimed] = drain.claim(Push, NOW)
    push._make(claimed, push.KINDS[claimed.kind], NOW)  # and then the power goes

    attempt(row, NOW + Push.LEASE * 2)

    assert row.outcome == "confirmed"
    assert shop.posts == 1


def test_what_the_shop_refuses_is_parked_with_its_words_and_can_be_retried(shop, confirmed):
    shop.trouble = [
        (False, Reply({"code": "woocommerce_rest_product_invalid_id", "message": "Invalid product ID."}, 404))
    ]
    row = attempt(queue(shop))
    assert (row.state, row.outcome) == ("parked", "refused")
    assert "Invalid product ID." in row.error

    Push.objects.retry(NOW)
    attempt(row)

    assert row.outcome == "confirmed"


@pytest.mark.parametrize("change", [{"rating": 0}, {"status": "hold"}, {"review": "<p>Something else</p>"}])
def test_an_answer_that_is_not_what_was_asked_is_parked_and_told_to_nobody(shop, confirmed, change):
    shop.change = change
    row = attempt(queue(shop, status="approved"))

    assert (row.state, row.outcome, row.woo_id) == ("parked", "refused", 500)
    assert next(iter(change)) in row.error
    assert confirmed == []


def test_a_difference_that_was_put_right_in_the_shop_is_confirmed_by_a_retry(shop, confirmed):
    shop.change = {"rating": 0}
    row = attempt(queue(shop))
    shop.reviews[0]["rating"] = 5

    Push.objects.retry(NOW)
    attempt(row)

    assert row.outcome == "confirmed"
    assert shop.posts == 1


def test_the_same_words_that_the_shop_has_already_count_as_sent(shop, confirmed):
    shop.save(REVIEW)
    duplicate = {"code": "woocommerce_rest_comment_duplicate", "message": "Duplicate comment detected"}
    shop.trouble = [(False, Reply(duplicate, 409))]

    row = attempt(queue(shop))

    assert (row.outcome, row.woo_id) == ("confirmed", 500)


def test_a_hearer_that_fails_leaves_nothing_confirmed_and_nothing_is_sent_twice(shop, confirmed):
    def fail(row):
        raise RuntimeError("no")

    push.on_confirmed("product_review", fail)
    row = attempt(queue(shop))
    assert (row.state, row.outcome) == ("due", "sent")

    push._CONFIRMED["product_review"].remove(fail)
    attempt(row, later(row))

    assert row.outcome == "confirmed"
    assert shop.posts == 1


def test_nothing_is_sent_inside_a_transaction_that_may_yet_be_undone(shop):
    with pytest.raises(RuntimeError), transaction.atomic():
        queue(shop)
        raise RuntimeError

    drain.drain(Push, at=NOW)

    assert shop.posts == 0


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("a < b > c", "<p>a &lt; b &gt; c</p>\n"),
        ("one\n\ntwo", "<p>one</p>\n<p>two</p>\n"),
        ("“quoted” &amp; <em>kept</em>", "<p>“quoted” &amp; <em>kept</em></p>"),
        ("", None),
    ],
)
def test_words_are_the_same_with_and_without_wordpress_markup(asked, got):
    assert words(asked) == words(got)
