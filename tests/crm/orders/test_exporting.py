"""A person downloads what is kept about them: all of it, and nobody else's."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from crm.messaging import consent
from crm.messaging.models import Suppression
from crm.orders import exporting
from crm.orders.models import Customer
from loyalty import ledger
from support import tickets
from tests.factories import (
    NOW,
    make_account,
    make_customer,
    make_gift,
    make_guest,
    make_line,
    make_message,
    make_order,
    make_program,
    make_redemption,
    make_referral,
    make_reward,
    make_staff,
    make_store,
    make_ticket,
    sign_in,
)
from tests.two_stores import NOTE

from .tables import tables_with
from .test_erasing_everywhere import WORDS

EMAIL = "asha@mail.example"
# Whose words they are anybody may read, or what was never said of the person: the shop's goods, its settings and its staff.
OF_THE_SHOP = {"woocommerce", "stores"}
PERSONAL = {"email", "recipient", "friend_email", "billing_email", "reviewer_email", "mailbox", "recipients", "sender"}


@pytest.fixture(autouse=True)
def fresh_limits(request):
    if "db" in request.fixturenames:
        cache.clear()


def told():
    return {label for part in exporting.PARTS for label in part.tells}


def get(client, slug):
    return client.post(f"/s/{slug}/data/file/")


def read(client, slug="masala"):
    return json.loads(get(client, slug).getvalue())


@pytest.mark.parametrize("model", [m for m in apps.get_models() if m._meta.managed and not m._meta.proxy], ids=str)
def test_a_table_about_people_is_handed_over_or_says_why_not(model):
    fields = model._meta.get_fields()
    of_people = {apps.get_model("orders", "Customer"), apps.get_model("orders", "Order")}
    about = [
        field.name
        for field in fields
        if isinstance(field, models.ForeignKey) and field.related_model in of_people or field.name in PERSONAL
    ]
    ours = model.__module__.split(".")[0] in ("crm", "loyalty", "support")

    known = told() | exporting.LEFT_OUT.keys()
    assert not about or not ours or model._meta.label in known, f"{model._meta.label} has {about}: see docs/history.md"


@pytest.mark.django_db
def test_whatever_the_database_says_of_a_customer_is_in_their_file_or_left_out_with_a_reason(world):
    customer = world.c["orders.Customer"]
    tables = {table for words in WORDS for table in tables_with(words.format(mark="ownedbyc"))}
    labels = {model._meta.label for model in apps.get_models() if model._meta.db_table in tables}

    said = get(world.clients["other_customer"], customer.store.slug).getvalue().decode()

    assert labels - told() - exporting.LEFT_OUT.keys() == set()
    for part in exporting.PARTS:
        assert f'"{part.name}": [' in said
    empty = {"addresses_that_get_no_mail", "points_from_elsewhere"}
    assert {name for name, rows in json.loads(said).items() if rows == []} == empty
    lower = said.lower()
    for words in (
        "ownedbyc@mail.example", "ownedbyc road 1", "ownedbyc note", "ownedbyc chai", "ownedbyc asks", "ownedbyc text",
        "ownedbyc loves it", "ownedbyc likes it", "ownedbyc rang", "ownedbyc van", "thank you, ownedbyc",
        "ownedbyc checkout", "ownedbyc-ten", "ownedbyc post", "ownedbyc says", "fr•••@ownedbyc.example",
    ):  # fmt: skip
        assert words in lower, words
    assert NOTE.lower() not in lower
    for mark in ("ownedbya", "ownedbyb"):
        assert mark not in lower.replace("ownedbya shop", "").replace("https://ownedbya.example", "")


@pytest.mark.django_db
def test_notes_of_staff_tokens_and_codes_of_others_stay_where_they_are(client):
    store = make_store(slug="masala")
    customer = make_customer(store, email=EMAIL)
    order = make_order(
        store, customer, meta_data=[{"key": "_pay_token", "value": "tok_1"}, {"key": "gift_wrap", "value": "red"}],
        order_key="wc_key_1",
    )  # fmt: skip
    chosen = {"key": "pa_size", "value": "l", "display_key": "Size", "display_value": "Large &amp; wide"}
    wishes = [{"key": "engraving", "value": value} for value in ("For Baba", "For Aai")]
    make_line(order, meta_data=[*wishes, chosen, {"key": "_sku_note", "value": "shelf 9"}])
    order.notes.create(store=store, woo_id=1, note="Fraud score 7", customer_note=False)
    order.notes.create(store=store, woo_id=2, note="Packed with care", customer_note=True)
    ticket = make_ticket(store, customer, text="Where is it?")
    tickets.note(ticket, make_staff(store), "Difficult customer")
    account = make_account(customer, 500)
    card = make_redemption(account, make_reward(store, 50, kind="gift_card"), code="GIFT-1")
    make_gift(card, recipient="ravi@mail.example", message="For you")
    make_message(store, customer=customer, recipient="ravi@mail.example", purpose="gift", text="GIFT-1")
    by_hand = make_redemption(account, make_reward(store, 60, kind="gift_card"), code="HAND-1")
    make_gift(by_hand)
    sign_in(client, EMAIL)

    said = get(client, "masala").getvalue().decode()

    assert json.loads(said)["orders"][0]["lines"][0]["details"] == [
        {"name": "engraving", "value": "For Baba"}, {"name": "engraving", "value": "For Aai"},
        {"name": "Size", "value": "Large & wide"},
    ]  # fmt: skip
    for words in ("Packed with care", "Where is it?", "For you", "HAND-1", "ravi@mail.example"):
        assert words in said, words
    for words in ("tok_1", "gift_wrap", "wc_key_1", "shelf 9", "Fraud score", "Difficult", "GIFT-1"):
        assert words not in said, words


@pytest.mark.django_db
def test_an_address_on_anothers_order_opens_nothing_of_it(client):
    store = make_store(slug="masala")
    make_order(store, make_guest(store, email=EMAIL), number="MINE-1")
    other = make_customer(store, last_name="Secretkar")
    make_order(store, other, number="THEIRS-1", billing_email=EMAIL)
    make_order(make_store(), make_guest(make_store(), email=EMAIL), number="ELSEWHERE-1")
    sign_in(client, EMAIL)

    said = get(client, "masala").getvalue().decode()

    assert "MINE-1" in said and "THEIRS-1" not in said and "Secretkar" not in said and "ELSEWHERE-1" not in said


@pytest.mark.django_db
def test_the_file_has_no_mail_about_another_nor_what_is_kept_of_all_shops(client):
    store = make_store(slug="masala")
    customer, other = make_customer(store, email=EMAIL), make_customer(store)
    mine, theirs = make_order(store, customer), make_order(store, other, billing_email=EMAIL)
    for text, about in {
        "about my order": {"order": mine, "customer": customer}, "about nobody": {}, "about me": {"customer": customer},
        "of their order": {"order": theirs}, "of them": {"customer": other}, "of both": {"order": theirs, "customer": customer},
    }.items():  # fmt: skip
        make_message(store, recipient=EMAIL, text=text, **about)
    Suppression.objects.create(store=None, email=EMAIL, detail="rang another shop")
    consent.give(store, EMAIL, purpose="marketing", source="page", proof={"message": 4711, "language": "hi"}, at=NOW)
    sign_in(client, EMAIL)

    data = read(client)

    # What names the person as its customer is theirs, whatever else it names.
    said = ["about my order", "about nobody", "about me", "of both"]
    assert sorted(row["text"] for row in data["mails_to_you"]) == sorted(said)
    assert [row["email"] for row in data["addresses_that_get_no_mail"]] == [EMAIL]
    assert data["what_you_agreed_to"][0]["shown_in"] == "hi"
    assert "signing_in" not in data and "another shop" not in str(data) and "4711" not in str(data)


@pytest.mark.django_db
def test_the_file_is_named_kept_by_nobody_and_speaks_the_readers_language(client):
    store = make_store(slug="masala")
    make_program(store)
    customer = make_customer(store, email=EMAIL, language="hi")
    ledger.post(make_account(customer), "adjust", 40, "x")
    sign_in(client, EMAIL)
    assert client.get("/s/masala/data/file/").status_code == 405

    response = get(client, "masala")

    assert response["Content-Type"] == "application/json; charset=utf-8" and response["Cache-Control"] == "no-store"
    assert response["Content-Disposition"].startswith('attachment; filename="my-data-masala-')
    data = json.loads(response.getvalue())
    assert data["addresses"] == [EMAIL] and data["balances"][0]["balance"] == 40
    assert data["points_and_credit"][0]["what"] == "दुकान ने बदले"
    for _ in range(5):
        get(client, "masala").getvalue()
    refused = client.post("/s/masala/data/file/", follow=True)
    assert refused.redirect_chain == [("/s/masala/data/", 302)]


@pytest.mark.django_db
def test_a_long_history_costs_as_many_questions_as_a_short_one():
    store = make_store(slug="masala")
    customer, stranger = make_customer(store, email=EMAIL), make_customer(store)
    account, reward = make_account(customer), make_reward(store, 50, kind="gift_card")
    make_program(store)

    def live(times):
        for n in range(times):
            make_line(order := make_order(store, customer, date_created_gmt=NOW - timedelta(days=n)))
            order.notes.create(store=store, woo_id=order.pk, note="Packed", customer_note=True)
            make_message(store, customer=customer, recipient=EMAIL)
            ledger.post(account, "adjust", 40, f"x{order.pk}")
            make_gift(make_redemption(account, reward, code=f"GIFT-{order.pk}"), recipient=f"r{n}@mail.example")
            make_referral(customer)
            make_referral(stranger, friend_email=f"{order.pk}@mail.example")
            make_ticket(store, customer)

    def told():
        person = exporting.owner(store, Customer.objects.filter(pk=customer.pk), EMAIL, NOW)
        with CaptureQueriesContext(connection) as asked:
            pieces = list(exporting.document(person, "en"))
        return len(asked), json.loads("".join(pieces)), pieces

    live(1)
    few, _data, _pieces = told()
    live(59)
    many, data, pieces = told()

    assert many == few
    parts = (
        "orders",
        "what_came_and_when_it_ends",
        "points_and_credit",
        "questions",
        "rewards_and_codes",
        "gift_cards",
    )
    assert {name: len(data[name]) for name in parts} == dict.fromkeys(parts, 60)
    assert max(map(len, pieces)) < 2 * exporting.AT_ONCE
