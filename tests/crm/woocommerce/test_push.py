"""Writes into the shop: once for each reason, looked for before they are repeated, compared with what was asked."""

import copy
import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from crm.woocommerce import push
from crm.woocommerce.models import Push, ShopIdentity
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
        # What the server says to anything at all.
        self.away = ""
        self.asked = 0

    def answer(self, request):
        if self.away != "":
            self.asked += not request["path"].endswith("/orders")
            return self.away
        if request["path"].endswith("/orders"):
            return Reply()
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
        shop.server, shop.store = server, make_store(url=server.url, insecure=True, signing="oauth")
        yield shop


@pytest.fixture
def refused(monkeypatch):
    """What the one who hears of refused reviews was told: how it ended, and whether something of it may stand."""
    told = []
    monkeypatch.setitem(push._REFUSED, "product_review", [])
    push.on_refused("product_review", lambda row: told.append((row.outcome, row.sent_at is not None)))
    return told


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


# --- a shop that is down, and one that says no ---

AWAY = [
    (None, "no answer"),
    (Reply({"code": "x", "message": "busy"}, 503), "a gateway"),
    (Reply({"code": "x", "message": "slowly"}, 429), "too many requests"),
    (Reply({"code": "woocommerce_rest_cannot_create", "message": "Sorry"}, 401), "keys that were revoked"),
    (Reply(b"<h1>Forbidden", 403), "a firewall"),
    (Reply({"code": "rest_no_route", "message": "No route"}, 404), "an API that was switched off"),
    (Reply(b"", 301, Location="https://moved.example/"), "an address that moved"),
]


def queue_many(shop, count):
    return [
        push.queue(shop.store, "product_review", f"answer:{n}", REVIEW | {"review": f"Tea {n}"}, at=NOW)
        for n in range(count)
    ]


def refresh(rows):
    for row in rows:
        row.refresh_from_db()
    return rows


@pytest.mark.parametrize("reply", [reply for reply, _ in AWAY], ids=[name for _, name in AWAY])
def test_what_waits_for_the_same_shop_waits_together_and_one_asks_for_all(shop, confirmed, reply):
    rows = queue_many(shop, 4)
    shop.away = reply

    drain.drain(Push, at=NOW)
    refresh(rows)
    assert shop.asked == 1
    assert {row.state for row in rows} == {"due"} and all(row.due_at > NOW for row in rows)
    assert all(row.attempts == 1 and row.waits_for_shop and row.error for row in rows)

    due = min(row.due_at for row in rows)
    drain.drain(Push, at=due)
    assert shop.asked == 2
    refresh(rows)
    assert [row.attempts for row in rows] == [2, 2, 2, 2]

    shop.away = ""
    drain.drain(Push, at=max(row.due_at for row in rows))
    assert {row.outcome for row in refresh(rows)} == {"confirmed"}
    assert not any(row.waits_for_shop for row in rows)
    assert len(shop.reviews) == 4


def test_a_newcomer_finds_the_shop_away_once_and_joins_those_who_wait(shop):
    [first] = queue_many(shop, 1)
    shop.away = None
    for _ in range(4):
        attempt(first, later(first))
    at = first.due_at - timedelta(minutes=5)

    newcomer = attempt(push.queue(shop.store, "product_review", "new", REVIEW, at=at), at)

    assert shop.asked == 5
    assert newcomer.due_at == first.due_at


@pytest.mark.parametrize("reply", [None, Reply("", 500), Reply(b"", 504)])
def test_a_write_that_the_shop_chokes_on_holds_up_nobody(shop, confirmed, reply):
    rows = queue_many(shop, 3)
    shop.trouble = [(False, reply)]

    drain.drain(Push, at=NOW)

    assert [row.outcome for row in refresh(rows)] == ["sent", "confirmed", "confirmed"]
    assert not rows[0].waits_for_shop


def test_the_other_shops_writes_go_on(shop, confirmed):
    other = Shop()
    with serving(other.answer) as server:
        other.store = make_store(url=server.url, insecure=True, signing="oauth")
        shop.away = None
        rows = [queue(shop), queue(other)]
        drain.drain(Push, at=NOW)

    assert [row.outcome for row in refresh(rows)] == ["sent", "confirmed"]


def test_a_shop_that_is_away_is_asked_for_a_day_and_then_it_is_given_up_and_told(shop, refused):
    shop.away = None
    rows = queue_many(shop, 3)
    at = NOW
    while any(row.state == "due" for row in refresh(rows)):
        at = min(row.due_at for row in rows if row.state == "due")
        assert at < NOW + timedelta(days=2)
        drain.drain(Push, at=at)

    assert timedelta(hours=22) < at - NOW < timedelta(hours=26)
    assert {(row.state, row.outcome, row.sent_at is not None) for row in rows} == {("parked", "given_up", True)}
    assert refused == [("given_up", True)] * 3
    # One request each time, whatever the number of writes, and one last for each.
    assert shop.asked <= Push.MAX_ATTEMPTS + len(rows)


def test_a_retry_says_that_the_shop_is_back(shop, confirmed):
    rows = queue_many(shop, 3)
    shop.away = None
    drain.drain(Push, at=NOW)
    shop.away = ""
    Push.objects.filter(pk=rows[0].pk).update(state="parked", outcome="given_up")

    Push.objects.filter(pk=rows[0].pk).retry(NOW)
    drain.drain(Push, at=NOW)

    assert {row.outcome for row in refresh(rows)} == {"confirmed"}


def test_what_the_shop_refuses_is_told_at_once_and_a_retry_may_confirm_it_after_all(shop, confirmed, refused):
    shop.trouble = [(False, Reply({"code": "woocommerce_rest_product_invalid_id", "message": "Invalid"}, 404))]
    row = attempt(queue(shop))
    assert (refused, confirmed) == ([("refused", False)], [])

    Push.objects.retry(NOW)
    attempt(row)

    assert (row.outcome, refused, confirmed) == ("confirmed", [("refused", False)], [500])


def test_one_who_fails_to_hear_of_a_refusal_hears_of_it_again(shop, refused):
    def fail(row):
        raise RuntimeError("no")

    push.on_refused("product_review", fail)
    no = Reply({"code": "woocommerce_rest_product_invalid_id", "message": "Invalid"}, 404)
    shop.trouble = [(False, no)] * 2
    row = attempt(queue(shop))
    assert (row.state, row.outcome) == ("due", "queued")
    assert "RuntimeError" in row.error and "Invalid" in row.error

    push._REFUSED["product_review"].remove(fail)
    attempt(row, later(row))

    assert (row.state, row.outcome) == ("parked", "refused")
    assert refused[-1] == ("refused", False)


def test_a_process_that_dies_each_time_is_given_up_and_told(shop, refused):
    row = queue(shop)
    Push.objects.filter(pk=row.pk).update(
        state="running",
        attempts=Push.MAX_ATTEMPTS,
        leased_until=NOW - timedelta(seconds=1),
        outcome="sent",
        sent_at=NOW,
    )

    attempt(row)

    assert (row.state, row.outcome) == ("parked", "given_up")
    assert refused == [("given_up", True)]


def test_who_comes_too_late_neither_sends_nor_settles(shop, confirmed):
    row = queue(shop)
    [slow] = drain.claim(Push, NOW)
    attempt(row, NOW + Push.LEASE * 2)
    assert confirmed == [500]

    with pytest.raises(drain.LeaseLost):
        push.perform([slow], NOW)

    assert (shop.posts, confirmed) == (1, [500])


def test_a_kind_that_nobody_knows_any_more_is_parked(shop):
    row = Push.objects.create(store=shop.store, kind="telegram", key="1", payload={}, due_at=NOW)

    attempt(row)

    assert (row.state, row.outcome, shop.posts) == ("parked", "given_up", 0)


def test_a_copy_of_the_shop_is_not_written_into(shop, confirmed):
    ShopIdentity.objects.create(store_id=shop.store.pk, home="https://shop.example", learned_at=NOW, checked_at=NOW)
    answer = shop.answer
    shop.server.answer = lambda request: (
        answer(request) if request["path"] != "/wp-json/" else Reply({"home": "https://copy.example"})
    )

    row = attempt(queue(shop), NOW + timedelta(hours=1))

    assert (row.state, row.outcome, shop.posts) == ("due", "queued", 0)
    assert "copy.example" in row.error


# --- withdrawn ---


def test_what_is_withdrawn_before_it_left_is_never_sent_and_told(shop, refused):
    row = queue(shop)

    assert push.withdraw(row, NOW)
    attempt(row)

    assert (row.state, row.outcome, shop.posts) == ("done", "withdrawn", 0)
    assert refused == [("withdrawn", False)]
    assert not push.withdraw(row, NOW)


def test_what_may_have_worked_is_not_withdrawn_before_that_is_known(shop, confirmed, refused):
    shop.trouble = [(True, None)]
    row = attempt(queue(shop))

    assert not push.withdraw(row, NOW)

    attempt(row, later(row))
    assert (row.outcome, refused) == ("confirmed", [])


def test_what_was_refused_is_withdrawn_without_telling_again(shop, refused):
    shop.trouble = [(False, Reply({"code": "woocommerce_rest_product_invalid_id", "message": "Invalid"}, 404))]
    row = attempt(queue(shop))

    assert push.withdraw(row, NOW)

    assert refused == [("refused", False)]
    assert not Push.objects.parked().exists()


@pytest.mark.parametrize("bad", [{"state": "done", "outcome": "refused"}, {"state": "due", "outcome": "given_up"}])
def test_the_database_takes_no_end_that_does_not_fit_its_state(shop, bad):
    row = queue(shop)

    with pytest.raises(IntegrityError), transaction.atomic():
        Push.objects.filter(pk=row.pk).update(**bad)


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
