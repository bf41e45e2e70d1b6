"""The merchants' door to writes into the shop."""

import pytest

from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from tests.factories import NOW, make_order, make_store

pytestmark = pytest.mark.django_db
URL = "/api/v1/pushes/"
COUPON = {"code": "TEA-1", "discount_type": "fixed_cart", "amount": "2.50"}


def make_push(store, **fields):
    defaults = {"kind": "coupon", "key": f"k{Push.objects.count()}", "payload": {}, "due_at": NOW, "created_at": NOW}
    return Push.objects.create(store=store, **defaults | fields)


def ask(api, **body):
    return api.post(URL, {"kind": "coupon", "payload": COUPON} | body)


def test_a_coupon_asked_for_from_outside_is_queued_and_shown(api):
    answer = ask(api, key="crm-77")

    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["kind"], shown["key"], shown["outcome"], shown["error"]) == ("coupon", "api:crm-77", "queued", "")
    assert shown["payload"]["usage_limit"] == 1
    assert shown["next_try_at"]
    assert api.get(f"{URL}{shown['id']}/").json() == shown


def test_it_arrives_in_the_shop(demo, shop_store, api_client):
    api = api_client(shop_store)
    number = ask(api).json()["id"]

    drain.drain(Push)

    shown = api.get(f"{URL}{number}/").json()
    assert (shown["outcome"], shown["next_try_at"]) == ("confirmed", None)
    assert shown["woo_id"] == shown["answer"]["id"] == demo.shop.coupon_by_code("tea-1")["id"]


def test_a_reason_is_written_once(api):
    first, second = ask(api, key="crm-77"), ask(api, key="crm-77")

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    other = ask(api, key="crm-77", payload=COUPON | {"amount": "3"})
    assert (other.status_code, other.json()["errors"][0]["attr"]) == (400, "key")
    assert ask(api).json()["id"] != ask(api).json()["id"]


def test_an_idempotency_key_answers_alike(api):
    one, two = (
        api.post(URL, {"kind": "coupon", "payload": COUPON}, headers={"Idempotency-Key": "a"}) for _ in range(2)
    )

    assert one.json() == two.json()
    assert Push.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"kind": "telegram"}, "kind"),
        ({"kind": None}, "kind"),
        ({"payload": None}, "payload"),
        ({"payload": []}, "payload"),
        ({"payload": COUPON | {"amount": "lots"}}, "payload.amount"),
        ({"payload": COUPON | {"colour": "red"}}, "payload.colour"),
        ({"payload": COUPON | {"email_restrictions": ["asha"]}}, "payload.email_restrictions.0"),
        ({"kind": "order_note", "payload": {"order": 77, "note": "Hi"}}, "payload.order"),
        ({"kind": "order_note", "payload": {"order": 10**30, "note": "Hi"}}, "payload.order"),
        ({"kind": "order_note", "payload": {"order": [1], "note": "Hi"}}, "payload.order"),
        ({"key": "x" * 101}, "key"),
    ],
)
def test_what_is_wrong_is_named(api, body, attr):
    answer = ask(api, **body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr
    assert not Push.objects.exists()


def test_a_note_goes_to_an_order_of_the_own_shop_alone(api):
    theirs, own = make_order(make_store()), make_order(api.store)
    body = {"note": "Hi", "customer_note": True}

    refused = ask(api, kind="order_note", payload=body | {"order": theirs.woo_id})
    taken = ask(api, kind="order_note", payload=body | {"order": own.woo_id})

    assert (refused.status_code, taken.status_code) == (400, 201)
    assert taken.json()["order"] == own.pk


def test_the_list_is_filtered_and_newest_first(api):
    order = make_order(api.store)
    coupon = make_push(api.store)
    note = make_push(api.store, kind="order_note", order=order, state="parked", outcome="refused", error="No.\nTrace")
    make_push(make_store())

    def listed(query=""):
        return [row["id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert listed() == [note.pk, coupon.pk]
    assert listed("kind=coupon") == [coupon.pk]
    assert listed("kind=coupon,order_note") == [note.pk, coupon.pk]
    assert listed("outcome=refused,given_up") == [note.pk]
    assert listed(f"order={order.pk}") == [note.pk]
    assert listed(f"key={coupon.key}") == [coupon.pk]
    assert api.get(f"{URL}?stat=x").status_code == 400
    assert api.get(f"{URL}{note.pk}/").json()["error"] == "No."


def test_a_list_costs_one_statement_more_or_less_whatever_its_length(api, django_assert_max_num_queries):
    for _ in range(30):
        make_push(api.store)
    api.get(URL)

    with django_assert_max_num_queries(4):
        assert len(api.get(f"{URL}?limit=30").json()["results"]) == 30


def test_what_was_refused_is_tried_again_and_what_waits_is_not(api):
    refused = make_push(api.store, state="parked", outcome="refused", attempts=1)
    waiting = make_push(api.store)

    again = api.post(f"{URL}{refused.pk}/retry/")

    assert (again.status_code, again.json()["outcome"]) == (200, "queued")
    assert api.post(f"{URL}{waiting.pk}/retry/").status_code == 400


def test_what_has_not_left_is_withdrawn_and_what_may_have_is_not(api):
    waiting = make_push(api.store)
    sent = make_push(api.store, outcome="sent", sent_at=NOW)

    assert api.post(f"{URL}{waiting.pk}/withdraw/").json()["outcome"] == "withdrawn"
    assert api.post(f"{URL}{sent.pk}/withdraw/").status_code == 400


def test_keys_without_the_scope_write_nothing(store, api_client):
    reader = api_client(store, scopes=["pushes:read", "orders:read"])

    assert ask(reader).status_code == 403
    assert reader.get(URL).status_code == 200


def test_the_schema_has_every_kind_of_payload(client):
    parts = client.get("/api/v1/schema/?format=json").json()["components"]["schemas"]

    named = {part["$ref"].rpartition("/")[2] for part in parts["PushPayloadRequest"]["oneOf"]}
    assert named == {f"{kind.payload.__name__}Request" for kind in push.KINDS.values()}
    assert set(parts["NewPushKindEnum"]["enum"]) == set(push.KINDS)
