"""What staff write into the shop from an order's page, and what they see of it."""

import pytest
from django.urls import reverse
from django.utils.html import escape

from crm.stores.models import Membership
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.work import drain
from tests.factories import NOW, make_customer, make_order, make_staff

pytestmark = pytest.mark.django_db
Role = Membership.Role
LIST = reverse("admin:woocommerce_push_changelist")


@pytest.fixture
def order(store):
    return make_order(store, make_customer(store), billing_email="asha@mail.example")


def door(name, order):
    return reverse(f"admin:orders_order_{name}", args=[order.pk])


def as_staff(client, store, role=Role.OWNER):
    client.force_login(make_staff(store, role))
    return client


def filled(client, url, **fields):
    """Send the form that is shown there, with these values."""
    form = client.get(url).context["form"]
    return client.post(url, {"cause": str(form["cause"].value())} | fields)


def test_an_agent_sends_the_customer_a_note(client, store, order):
    as_staff(client, store, Role.AGENT)
    url = door("add_note", order)

    answer = filled(client, url, note="Your <tea> is on its way")

    row = Push.objects.get()
    assert answer.headers["Location"] == reverse("admin:orders_order_change", args=[order.pk])
    assert (row.kind, row.order, row.customer) == ("order_note", order, order.customer)
    assert row.payload == {"order": order.woo_id, "note": "Your <tea> is on its way", "customer_note": True}


def test_a_form_that_is_sent_twice_is_written_once(client, store, order):
    as_staff(client, store)
    url = door("add_note", order)
    cause = str(client.get(url).context["form"]["cause"].value())

    for _ in range(2):
        client.post(url, {"cause": cause, "note": "Hi"})

    assert Push.objects.count() == 1


def test_a_status_is_changed_from_the_one_that_was_shown(client, store, order):
    as_staff(client, store)
    make_order(store, status="packed")
    url = door("change_status", order)
    offered = [value for value, _ in client.get(url).context["form"].fields["status"].choices]

    filled(client, url, status="packed")

    assert "packed" in offered and "completed" in offered
    assert not {"processing", "refunded", "trash"} & set(offered)
    assert Push.objects.get().payload == {"order": order.woo_id, "status": "packed", "was": "processing"}


def test_a_refund_is_shown_once_more_before_it_is_written(client, store, order):
    as_staff(client, store)
    url = door("refund", order)
    asked = {"amount": "12.50", "reason": "Torn", "api_refund": "on"}

    shown = filled(client, url, **asked)
    assert "12.50" in shown.content.decode()
    assert "pays the money back" in shown.content.decode()
    assert not Push.objects.exists()
    client.post(url, asked | {"cause": str(shown.context["form"]["cause"].value()), "confirmed": "on"})

    payload = Push.objects.get().payload
    assert payload == {
        "order": order.woo_id,
        "amount": "12.50",
        "reason": "Torn",
        "api_refund": True,
        "api_restock": False,
    }


@pytest.mark.parametrize("amount", ["0", "-1", "100.01", "NaN", ""])
def test_no_more_than_what_is_left_is_refunded(client, store, order, amount):
    as_staff(client, store)

    answer = filled(client, door("refund", order), amount=amount, confirmed="on")

    assert answer.context["form"].errors["amount"]
    assert not Push.objects.exists()


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.VIEWER, []),
        (Role.AGENT, ["add_note", "change_status"]),
        (Role.OWNER, ["add_note", "change_status", "refund"]),
    ],
)
def test_the_page_offers_what_the_role_may_do(client, store, order, role, names):
    as_staff(client, store, role)

    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()

    assert [name for name in ("add_note", "change_status", "refund") if door(name, order) in page] == names


def test_an_order_that_is_gone_from_the_shop_is_not_written_to(client, store):
    as_staff(client, store)
    gone = make_order(store, deleted_at=NOW)

    assert client.get(door("add_note", gone)).status_code == 403


def test_the_orders_page_tells_how_its_writes_went(client, store, order):
    as_staff(client, store, Role.VIEWER)
    Push.objects.create(
        store=store, kind="order_note", key="1", payload={}, order=order, state="parked", outcome="refused",
        error="The shop says <no>.\nFile …",
    )  # fmt: skip

    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()

    assert "Note on an order · Refused" in page
    assert escape("The shop says <no>.") in page and "File …" not in page


def test_from_the_form_to_the_shop_and_back_to_the_page(client, demo, shop_store):
    as_staff(client, shop_store)
    theirs = demo.shop.place_order(email="asha@mail.example")
    order = make_order(shop_store, woo_id=theirs["id"], status="pending")
    filled(client, door("change_status", order), status="on-hold")

    drain.drain(Push)

    assert theirs["status"] == "on-hold"
    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "Status of an order · Confirmed" in page


OUTCOMES = [
    {"state": "due", "outcome": "queued"},
    {"state": "due", "outcome": "sent", "sent_at": NOW},
    {"state": "done", "outcome": "confirmed", "sent_at": NOW},
    {"state": "parked", "outcome": "refused"},
    {"state": "parked", "outcome": "given_up", "sent_at": NOW},
    {"state": "done", "outcome": "withdrawn"},
]


@pytest.fixture
def pushes(store, order):
    return {
        fields["outcome"]: Push.objects.create(
            store=store, kind="coupon", key=fields["outcome"], payload={"code": f"TEA-{fields['outcome']}"}, due_at=NOW,
            order=order, **fields,
        )
        for fields in OUTCOMES
    }  # fmt: skip


def act(client, name, rows):
    return client.post(LIST, {"action": name, "_selected_action": [row.pk for row in rows.values()]}, follow=True)


def test_what_was_refused_or_given_up_is_tried_again_and_nothing_else(client, store, pushes):
    as_staff(client, store)

    act(client, "retry_selected", pushes)

    now = {row.key: (row.state, row.outcome) for row in Push.objects.all()}
    assert now["refused"] == ("due", "queued")
    # What may have left is looked for first.
    assert now["given_up"] == ("due", "sent")
    assert all(
        now[fields["outcome"]] == (fields["state"], fields["outcome"])
        for fields in OUTCOMES
        if fields["state"] != "parked"
    )


def test_what_is_not_in_the_shop_is_withdrawn(client, store, pushes):
    as_staff(client, store)

    act(client, "withdraw_selected", pushes)

    now = {row.key: row.outcome for row in Push.objects.all()}
    assert {key for key in now if now[key] == "withdrawn"} == {"queued", "refused", "given_up", "withdrawn"}
    assert (now["sent"], now["confirmed"]) == ("sent", "confirmed")


def test_the_list_says_what_each_is_about_in_a_constant_number_of_statements(
    client, store, pushes, django_assert_max_num_queries
):
    as_staff(client, store)
    for n in range(20):
        push.queue(store, "coupon", f"k{n}", {"code": f"K{n}", "discount_type": "percent", "amount": "5"})
    client.get(LIST)

    with django_assert_max_num_queries(16):
        page = client.get(LIST).content.decode()

    assert "Given up" in page and "K19" in page
    assert client.get(LIST, {"q": "tea-refused"}).context["cl"].result_count == 1
    for row in pushes.values():
        assert client.get(reverse("admin:woocommerce_push_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_only_owners_see_all_that_is_written(client, store, pushes, role):
    assert as_staff(client, store, role).get(LIST).status_code == 403
