"""Each kind of write against the demo shop: it is made once, whatever happens on the way, and it is what was asked for."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests

from crm.orders.models import Customer, Order
from crm.woocommerce import client, push
from crm.woocommerce.models import Push, Reread
from crm.work import drain
from postpurchase.demo.web import Response, json_response
from tests.factories import NOW, make_customer, make_order, make_store

pytestmark = pytest.mark.django_db

COUPON = {
    "code": "TEA-7F3K",
    "discount_type": "percent",
    "amount": "15",
    "email_restrictions": ["Asha@Mail.Example"],
    "date_expires": "2026-12-31T23:59:59",
    "minimum_amount": "499.50",
    "description": "For 500 points & a smile",
    "meta": {"reward": 12},
}


class Case:
    """A kind with a payload for the demo shop, and how often the shop has what it asks for."""

    def __init__(self, kind, shop):
        self.kind, self.shop = kind, shop
        self.order = shop.place_order(email="asha@mail.example")
        shop.pay(self.order["id"])
        self.customer = next(row for row in shop.rows["customers"].values() if row["role"] == "customer")
        self.payload = getattr(self, kind)()

    def coupon(self):
        self.effects = lambda: [c for c in self.rows("coupons") if (c["code"], c["status"]) == ("tea-7f3k", "publish")]
        return COUPON

    def coupon_removal(self):
        row = self.shop.add_coupon(code="TEA-7F3K", amount="15")
        self.effects = lambda: [row] if row["status"] == "trash" else []
        return {"code": "TEA-7F3K"}

    def refund(self):
        self.effects = lambda: [r for r in self.rows("refunds") if r["amount"] == "12.50"]
        return {
            "order": self.order["id"],
            "amount": "12.5",
            "reason": "Torn",
            "api_refund": False,
            "api_restock": False,
        }

    def order_note(self):
        self.effects = lambda: [n for n in self.shop.notes(self.order["id"]) if n["note"].startswith("Tea &lt;3")]
        return {"order": self.order["id"], "note": "Tea <3 & honey\nis on its way", "customer_note": True}

    def order_status(self):
        # Each change leaves a note.
        self.effects = lambda: [n for n in self.shop.notes(self.order["id"]) if n["note"].endswith(" to Packed.")]
        return {"order": self.order["id"], "status": "packed", "was": "processing"}

    def order_meta(self):
        self.effects = lambda: [m for m in self.order["meta_data"] if m["key"] == "gift" and m["value"] == "1"]
        return {"order": self.order["id"], "meta": {"gift": True, "points": 42, "list": [{"a": 1}]}}

    def customer_meta(self):
        self.effects = lambda: [m for m in self.customer["meta_data"] if m["key"] == "postpurchase_points"]
        return {"customer": self.customer["id"], "meta": {"postpurchase_points": 42}}

    def product_review(self):
        product = self.shop.first_product()["id"]
        self.effects = lambda: [r for r in self.rows("reviews") if r["review"] == "Warm & strong"]
        who = {"reviewer": "Asha", "reviewer_email": "asha@mail.example"}
        return who | {"product_id": product, "review": "Warm & strong", "rating": 5, "status": "approved"}

    def rows(self, table):
        return list(self.shop.rows[table].values())


@pytest.fixture(autouse=True)
def nobody_else_hears(monkeypatch):
    """The rooms above have their own answers, orders and points in mind."""
    monkeypatch.setattr(push, "_CONFIRMED", defaultdict(list))
    monkeypatch.setattr(push, "_REFUSED", defaultdict(list))


@pytest.fixture
def demo(demo):
    """The pretend shop, with a list of the writes that came in."""
    demo.writes = []

    def note(request, response):
        if request.method != "GET":
            demo.writes.append(f"{request.method} {request.path}")

    demo.faults.append(note)
    return demo


KINDS = ["coupon", "coupon_removal", "refund", "order_note", "order_status", "order_meta", "customer_meta"]
KINDS += ["product_review"]


@pytest.fixture(params=KINDS)
def case(request, demo):
    return Case(request.param, demo.shop)


def owe(store, kind, payload, key="1"):
    return push.queue(store, kind, key, payload, at=NOW)


def settled(row, at=NOW):
    """Let time pass until nothing more happens to it."""
    for _ in range(10):
        drain.drain(Push, at=max(at, row.due_at))
        row.refresh_from_db()
        if row.state in ("done", "parked"):
            break
        if row.state == "running":
            at = row.leased_until + timedelta(seconds=1)
    return row


def once(demo, *responses):
    """Answer the next writes otherwise, after they were done."""
    left = list(responses)

    def fault(request, response):
        if request.method == "GET" or not left:
            return None
        other = left.pop(0)
        return other(response) if callable(other) else other

    demo.faults.append(fault)


# The connection ends in the middle of the answer.
HANG_UP = Response(201, b"{", [("Content-Length", "1000")], close=True)


def test_it_is_made_once_and_is_what_was_asked(demo, shop_store, case):
    row = settled(owe(shop_store, case.kind, case.payload))

    assert (row.state, row.outcome, row.error) == ("done", "confirmed", "")
    assert len(case.effects()) == 1
    assert len(demo.writes) == 1


TROUBLE = {
    "the connection breaks off": HANG_UP,
    "500 without a word": Response(500, b""),
    "500 with a word": json_response(
        {"code": "internal_server_error", "message": "There has been a critical error"}, 500
    ),
    "a gateway stops waiting": Response(504, b"<html>504 Gateway Time-out"),
    "a page instead of JSON": Response(200, b"<html><title>Maintenance</title>"),
    "half of the JSON": lambda response: Response(201, response.body[: len(response.body) // 2], response.headers),
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=list(TROUBLE))
def test_what_was_done_and_badly_answered_is_found_and_not_done_again(demo, shop_store, case, trouble):
    once(demo, trouble)
    row = owe(shop_store, case.kind, case.payload)
    drain.drain(Push, at=NOW)
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("due", "sent")

    settled(row)

    assert (row.state, row.outcome) == ("done", "confirmed")
    assert len(case.effects()) == 1
    assert len(demo.writes) == 1


def test_a_shop_that_answers_too_late_is_not_asked_to_do_it_again(demo, shop_store, case, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    answered = threading.Event()
    once(demo, lambda response: answered.wait(20) and None)
    row = owe(shop_store, case.kind, case.payload)
    drain.drain(Push, at=NOW)
    answered.set()

    settled(row)

    assert row.outcome == "confirmed"
    assert len(case.effects()) == len(demo.writes) == 1


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def kill(monkeypatch):
    """Have the process end `before` or `after` its next write is sent."""
    ask = requests.Session.send
    left = []

    def send(self, request, **kwargs):
        if request.method == "GET" or not left:
            return ask(self, request, **kwargs)
        if left.pop() == "after":
            ask(self, request, **kwargs).close()
        raise Killed

    monkeypatch.setattr(requests.Session, "send", send)
    return left.append


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_around_the_request_leaves_one_effect(demo, shop_store, case, kill, moment):
    row = owe(shop_store, case.kind, case.payload)
    kill(moment)
    with pytest.raises(Killed):
        drain.drain(Push, at=NOW)

    settled(row)

    assert row.outcome == "confirmed"
    assert len(case.effects()) == len(demo.writes) == 1


def test_a_process_killed_with_the_answer_in_its_hand_leaves_one_effect(demo, shop_store, case):
    def die(row):
        raise Killed

    push.on_confirmed(case.kind, die)
    row = owe(shop_store, case.kind, case.payload)
    with pytest.raises(Killed):
        drain.drain(Push, at=NOW)
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("running", "sent")

    push._CONFIRMED.clear()
    settled(row)

    assert row.outcome == "confirmed"
    assert len(case.effects()) == len(demo.writes) == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_make_one_effect(demo, shop_store, case):
    row = owe(shop_store, case.kind, case.payload)
    together = threading.Barrier(4)

    def work():
        from django.db import connection

        together.wait()
        drain.drain(Push, at=NOW)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    row.refresh_from_db()
    assert row.outcome == "confirmed"
    assert len(case.effects()) == len(demo.writes) == 1


# --- what only one kind has ---


def test_a_coupon_is_as_it_was_asked_for(demo, shop_store):
    row = settled(owe(shop_store, "coupon", COUPON))

    made = demo.shop.coupon_by_code("tea-7f3k")
    assert row.woo_id == made["id"]
    assert (made["amount"], made["usage_limit"], made["minimum_amount"]) == ("15.00", 1, "499.50")
    assert made["email_restrictions"] == ["asha@mail.example"]
    # The shop is in Kolkata.
    assert made["date_expires_gmt"] == "2026-12-31T18:29:59"
    assert {"reward": "12", "_postpurchase_push": push.mark(row)} == {m["key"]: m["value"] for m in made["meta_data"]}


def test_a_time_with_an_offset_becomes_the_shops(demo, shop_store):
    expires = datetime(2026, 12, 31, 18, 29, 59, tzinfo=UTC)
    settled(owe(shop_store, "coupon", COUPON | {"date_expires": expires}))

    assert demo.shop.coupon_by_code("tea-7f3k")["date_expires_gmt"] == "2026-12-31T18:29:59"


@pytest.fixture
def refused():
    """What those who hear of refused coupons and refunds were told: outcome and whether something may stand."""
    told = []
    for kind in ("coupon", "coupon_removal", "refund", "order_status", "order_note"):
        push.on_refused(kind, lambda row: told.append((row.outcome, row.sent_at is not None)))
    return told


CHANGES = [
    ("email_restrictions", []),
    ("email_restrictions", ["asha@mail.example", "more@mail.example"]),
    ("amount", "0.00"),
    ("usage_limit", None),
    ("date_expires_gmt", None),
    ("minimum_amount", "0.00"),
    ("individual_use", True),
    ("code", "tea-7f3k-2"),
    ("discount_type", "fixed_cart"),
    ("product_ids", [3]),
    ("status", "draft"),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_coupon_that_came_out_otherwise_is_taken_back_at_once(demo, shop_store, refused, name, value):
    """As a plug-in does it that thinks it knows better."""

    def change(response):
        row = demo.shop.coupon_by_code("tea-7f3k")
        row[name] = value
        call = demo.shop.rows["coupons"][row["id"]]
        return json_response(call | {"date_expires": demo.shop.local(call["date_expires_gmt"])}, 201)

    once(demo, change)
    row = settled(owe(shop_store, "coupon", COUPON))

    assert (row.state, row.outcome) == ("parked", "refused")
    assert name.removesuffix("_gmt") in row.error
    assert "taken back" in row.error
    assert not [c for c in demo.shop.rows["coupons"].values() if c["code"].startswith("tea-7f3k")]
    assert refused == [("refused", False)]


def test_a_wrong_coupon_is_taken_back_though_the_shop_falls_silent_between(demo, shop_store, refused):
    def drop_addresses(response):
        demo.shop.coupon_by_code("tea-7f3k")["email_restrictions"] = []
        return HANG_UP

    # Also the answer to taking it back is lost, so that it is made anew, and as badly.
    once(demo, drop_addresses, Response(502, b""), drop_addresses)
    row = owe(shop_store, "coupon", COUPON)
    drain.drain(Push, at=NOW)
    row.refresh_from_db()
    drain.drain(Push, at=row.due_at)
    row.refresh_from_db()
    assert (row.state, refused) == ("due", [])

    settled(row)

    assert (row.outcome, row.sent_at) == ("refused", None)
    assert demo.shop.coupon_by_code("tea-7f3k") is None
    assert refused == [("refused", False)]


def test_a_wrong_coupon_that_was_used_already_is_said_to_stand(demo, shop_store, refused):
    def use(response):
        row = demo.shop.coupon_by_code("tea-7f3k")
        row |= {"email_restrictions": [], "usage_count": 1}
        return HANG_UP

    once(demo, use)
    settled(owe(shop_store, "coupon", COUPON))

    assert refused == [("refused", True)]


def test_a_strangers_coupon_of_that_code_is_left_alone(demo, shop_store, refused):
    theirs = demo.shop.add_coupon(code="tea-7f3k", amount="5")

    row = settled(owe(shop_store, "coupon", COUPON))

    assert (row.outcome, row.sent_at) == ("refused", None)
    assert "another coupon with the code" in row.error
    assert theirs["amount"] == "5.00"
    assert refused == [("refused", False)]


def test_a_code_in_the_trash_is_free(demo, shop_store):
    demo.shop.trash_coupon(demo.shop.add_coupon(code="tea-7f3k")["id"])

    assert settled(owe(shop_store, "coupon", COUPON)).outcome == "confirmed"


def test_a_coupon_that_was_used_is_not_taken_back(demo, shop_store, refused):
    held = demo.shop.add_coupon(code="tea-7f3k")
    held["usage_count"] = 1

    row = settled(owe(shop_store, "coupon_removal", {"code": "tea-7f3k"}))

    assert row.outcome == "refused"
    assert "has been used" in row.error
    assert held["status"] == "publish"
    assert refused == [("refused", False)]


def test_a_coupon_that_is_not_there_is_as_good_as_taken_back(demo, shop_store):
    assert settled(owe(shop_store, "coupon_removal", {"code": "nothing"})).outcome == "confirmed"


def test_a_coupon_is_not_taken_back_before_it_has_arrived(demo, shop_store):
    once(demo, Response(500, b""))
    made = owe(shop_store, "coupon", COUPON)
    removal = owe(shop_store, "coupon_removal", {"code": "tea-7F3K"})
    drain.drain(Push, at=NOW)
    removal.refresh_from_db()
    assert removal.state == "due"

    settled(made)
    settled(removal, at=NOW + timedelta(minutes=5))

    assert (made.outcome, removal.outcome) == ("confirmed", "confirmed")
    assert demo.shop.coupon_by_code("tea-7f3k") is None


def test_a_refund_always_says_whether_money_and_goods_go_back(demo, shop_store):
    case = Case("refund", demo.shop)
    case.order["payment_method"] = "razorpay"
    line = case.order["line_items"][0]
    stock = demo.shop.rows["products"][line["product_id"]]["stock_quantity"]
    given = {
        "id": line["id"],
        "quantity": 1,
        "refund_total": "10",
        "refund_tax": [{"id": line["taxes"][0]["id"], "refund_total": "2.50"}],
    }

    row = settled(owe(shop_store, "refund", case.payload | {"api_refund": True, "line_items": [given]}))

    [refund] = case.effects()
    assert row.answer["refunded_payment"] is True
    assert Decimal(refund["line_items"][0]["total"]) == -10
    assert demo.shop.rows["products"][line["product_id"]]["stock_quantity"] == stock
    assert refund["reason"].startswith("Torn (ref. ")


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [
        ("razorpay", {"amount": "99999999"}, "Invalid refund amount."),
        ("cod", {"api_refund": True}, "does not support automatic refunds"),
    ],
)
def test_a_refund_that_the_shop_declines_by_a_500_is_not_tried_again(demo, shop_store, refused, method, fields, said):
    case = Case("refund", demo.shop)
    case.order["payment_method"] = method

    row = settled(owe(shop_store, "refund", case.payload | fields))

    assert (row.outcome, row.sent_at) == ("refused", None)
    assert said in row.error
    assert len(demo.writes) == 1
    assert refused == [("refused", False)]


def test_a_refund_that_the_gateway_did_not_pay_is_told_and_stands(demo, shop_store, refused):
    case = Case("refund", demo.shop)
    case.order["payment_method"] = "stripe"
    once(
        demo,
        lambda response: Response(
            201, response.body.replace(b'"refunded_payment":true', b'"refunded_payment":false'), response.headers
        ),
    )

    row = settled(owe(shop_store, "refund", case.payload | {"api_refund": True}))

    assert "refunded_payment" in row.error
    assert refused == [("refused", True)]


def test_the_same_words_twice_are_two_notes(demo, shop_store):
    case = Case("order_note", demo.shop)
    once(demo, HANG_UP, HANG_UP)
    rows = [owe(shop_store, "order_note", case.payload, key) for key in ("1", "2")]

    for row in rows:
        settled(row)

    assert len(case.effects()) == 2
    assert {row.woo_id for row in rows} == {note["id"] for note in case.effects()}


@pytest.mark.parametrize("now", ["cancelled", "completed"])
def test_an_order_that_moved_on_meanwhile_is_left_alone(demo, shop_store, refused, now):
    case = Case("order_status", demo.shop)
    demo.shop.set_status(case.order["id"], now)

    row = settled(owe(shop_store, "order_status", case.payload))

    assert (row.outcome, case.order["status"]) == ("refused", now)
    assert now in row.error
    assert refused == [("refused", False)]


def test_an_order_in_the_trash_stays_there(demo, shop_store):
    case = Case("order_status", demo.shop)
    demo.shop.trash(case.order["id"])

    row = settled(owe(shop_store, "order_status", case.payload))

    assert (row.outcome, case.order["status"]) == ("refused", "trash")


def test_a_status_that_it_has_already_is_not_written_again(demo, shop_store):
    case = Case("order_status", demo.shop)

    row = settled(owe(shop_store, "order_status", case.payload | {"status": "processing"}))

    assert (row.outcome, demo.writes) == ("confirmed", [])


@pytest.mark.parametrize("status", ["no-such-status", "on hold"])
def test_a_status_that_the_shop_does_not_know_is_refused(demo, shop_store, status):
    case = Case("order_status", demo.shop)
    if " " in status:
        with pytest.raises(ValueError, match="status"):
            owe(shop_store, "order_status", case.payload | {"status": status})
        return

    assert settled(owe(shop_store, "order_status", case.payload | {"status": status})).outcome == "refused"


def test_the_newest_value_of_meta_data_stands(demo, shop_store):
    case = Case("customer_meta", demo.shop)
    number = case.customer["id"]
    once(demo, Response(500, b""))
    older = owe(
        shop_store,
        "customer_meta",
        {"customer": number, "meta": {"postpurchase_points": 1, "postpurchase_tier": "gold"}},
        "1",
    )
    drain.drain(Push, at=NOW)
    case.customer["meta_data"] = []  # and it had not worked
    newer = owe(shop_store, "customer_meta", {"customer": number, "meta": {"postpurchase_points": 2}}, "2")
    drain.drain(Push, at=NOW)
    older.refresh_from_db()

    settled(older)

    newer.refresh_from_db()
    assert (older.outcome, newer.outcome) == ("confirmed", "confirmed")
    assert {m["key"]: m["value"] for m in case.customer["meta_data"]} == {
        "postpurchase_points": "2",
        "postpurchase_tier": "gold",
    }


def test_meta_data_is_taken_away_by_null(demo, shop_store):
    case = Case("order_meta", demo.shop)
    settled(owe(shop_store, "order_meta", case.payload))
    row = settled(owe(shop_store, "order_meta", {"order": case.order["id"], "meta": {"gift": None}}, "2"))

    assert row.outcome == "confirmed"
    assert case.effects() == []


def test_what_was_written_is_read_again_for_the_mirror(demo, shop_store, case):
    settled(owe(shop_store, case.kind, case.payload))

    resources = {"coupon": "coupons", "coupon_removal": "coupons", "customer_meta": "customers", "order_note": "notes"}
    resources["product_review"] = "reviews"
    asked = set(Reread.objects.values_list("resource", flat=True))
    assert asked == {resources.get(case.kind, "orders")}


def test_a_push_knows_whom_it_is_about(demo, shop_store):
    customer = make_customer(shop_store)
    order = make_order(shop_store, customer)
    make_order(make_store(), woo_id=order.woo_id)

    note = owe(shop_store, "order_note", {"order": order.woo_id, "note": "Hi"})
    meta = owe(shop_store, "customer_meta", {"customer": customer.woo_id, "meta": {"postpurchase_points": 1}})
    coupon = push.queue(shop_store, "coupon", "1", COUPON, customer=customer)
    unknown = owe(shop_store, "order_note", {"order": 999_999, "note": "Hi"}, "2")

    assert (note.order, note.customer) == (order, customer)
    assert (meta.customer, coupon.customer) == (customer, customer)
    assert (unknown.order, unknown.customer) == (None, None)
    Order.objects.filter(pk=order.pk).delete()
    Customer.objects.filter(pk=customer.pk).delete()
    note.refresh_from_db()
    assert note.order is None


BAD = [
    ("coupon", {"code": "two words"}, "code"),
    ("coupon", {"code": ""}, "code"),
    ("coupon", {"code": "<b>"}, "code"),
    ("coupon", {"amount": "110"}, "amount"),
    ("coupon", {"amount": "0"}, "amount"),
    ("coupon", {"amount": "-1"}, "amount"),
    ("coupon", {"amount": "NaN"}, "amount"),
    ("coupon", {"amount": None}, "amount"),
    ("coupon", {"discount_type": "percentage"}, "discount_type"),
    ("coupon", {"email_restrictions": ["not an address"]}, "email_restrictions.0"),
    ("coupon", {"email_restrictions": ["जया@mail.example"]}, "email_restrictions.0"),
    ("coupon", {"email_restrictions": "asha@mail.example"}, "email_restrictions"),
    ("coupon", {"date_expires": "2026-06-15T10:00:00"}, "date_expires"),
    ("coupon", {"date_expires": "soon"}, "date_expires"),
    ("coupon", {"date_expires_gmt": "2026-12-31T18:29:59"}, "date_expires_gmt"),
    ("coupon", {"usage_limit": 0}, "usage_limit"),
    ("coupon", {"product_ids": [0]}, "product_ids.0"),
    ("coupon", {"meta": {"a": "\x00"}}, "meta"),
    ("coupon", {"meta": {"a": float("nan")}}, "meta"),
    ("coupon", {"meta": {"a": "x" * 30_000}}, "meta"),
    ("coupon_removal", {"code": None}, "code"),
    ("refund", {"api_refund": ...}, "api_refund"),
    ("refund", {"api_restock": ...}, "api_restock"),
    ("refund", {"amount": "0"}, "amount"),
    ("refund", {"order": 0}, "order"),
    ("refund", {"order": True}, "order"),
    ("refund", {"line_items": [{"id": 1}]}, "line_items.0.quantity"),
    ("order_note", {"note": " "}, "note"),
    ("order_note", {"note": "a\x00"}, "note"),
    ("order_note", {"order": 2**63}, "order"),
    ("order_status", {"status": "refunded"}, "status"),
    ("order_status", {"status": "trash"}, "status"),
    ("order_status", {"status": "wc-completed"}, "status"),
    ("order_meta", {"meta": {}}, "meta"),
    ("order_meta", {"meta": {"": 1}}, "meta."),
    ("customer_meta", {"meta": {"wp_capabilities": {"administrator": True}}}, "meta.wp_capabilities"),
    ("customer_meta", {"meta": {"postpurchase_x\n": 1}}, "meta.postpurchase_x"),
    ("product_review", {"reviewer_email": ""}, "reviewer_email"),
    ("product_review", {"rating": 6}, "rating"),
]


@pytest.mark.parametrize(("kind", "change", "field"), BAD)
def test_a_mistake_is_told_when_it_is_queued(store, demo, kind, change, field):
    payload = Case(kind, demo.shop).payload | change
    payload = {name: value for name, value in payload.items() if value is not ...}

    with pytest.raises(ValueError, match=field.replace(".", r"\.")):
        owe(store, kind, payload)

    assert not Push.objects.exists()
