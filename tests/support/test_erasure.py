"""Asking to be erased, in the portal: read first, typed, once, seen by staff."""

import re

import pytest
from django.core import mail
from django.utils import timezone

from crm.orders import erasing
from crm.work import drain
from support import erasure, tickets
from support.models import Message, Ticket
from tests.factories import (
    make_account,
    make_credit,
    make_customer,
    make_gift,
    make_program,
    make_redemption,
    make_reward,
    make_staff,
    make_store,
    make_ticket,
    sign_in,
)

pytestmark = pytest.mark.django_db
PAGE, EMAIL = "/s/masala/data/delete/", "asha@mail.example"


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


@pytest.fixture
def customer(client, store):
    sign_in(client, EMAIL)
    return make_customer(store, email=EMAIL)


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())


def test_what_goes_is_said_with_its_figures(client, store, customer):
    make_program(store)
    account = make_account(customer, 1240)
    make_credit(customer, 1250)
    make_redemption(account, make_reward(store))
    given = make_redemption(account, make_reward(store, kind="gift_card"))
    make_gift(given, recipient="ravi@mail.example")

    text = words(client.get(PAGE))

    assert (
        "You lose for good: 1,240 points ₹12.50 of store credit 1 code that is not used: no longer shown here" in text
    )
    assert "the law has every shop keep its books" in text
    assert not Ticket.objects.exists()
    assert PAGE in client.get("/s/masala/data/").content.decode()


@pytest.mark.parametrize("typed", ["", "yes", "ravi@mail.example"])
def test_nothing_is_asked_before_ones_own_address_is_typed(client, customer, typed):
    answer = client.post(PAGE, {"email": typed})

    assert answer.status_code == 400 and 'aria-invalid="true"' in answer.content.decode()
    assert not Ticket.objects.exists()


def test_asking_is_one_question_to_the_staff_with_one_mail_however_often(client, store, customer):
    for _ in range(2):
        assert client.post(PAGE, {"email": f" {EMAIL.upper()}"}).url == PAGE
    drain.drain_all()

    ticket = Ticket.objects.get()
    assert (ticket.customer, ticket.subject, ticket.priority) == (customer, "Delete my data", "high")
    assert [message.to for message in mail.outbox] == [[EMAIL]] and "Delete my data" in mail.outbox[0].subject
    text = words(client.get(PAGE))
    assert "You have asked us to delete your data" in text and "Yes, delete my data" not in text
    talk = words(client.get(f"/s/masala/tickets/{ticket.number}/"))
    assert "Please delete what you keep about me." in talk and "WordPress" not in talk
    client.force_login(make_staff(store))
    desk = client.get(f"/admin/support/ticket/{ticket.pk}/change/").content.decode()
    assert "Erase Personal Data" in desk and f"/admin/orders/customer/{customer.pk}/change/" in desk


def test_two_presses_at_once_write_the_same_question(store, customer):
    before = erasure.asked(store, [customer], EMAIL)
    ticket = erasure.ask(store, customer, [customer], EMAIL, "en", timezone.now())
    # As the second press, which looked before the first one was done.
    again = tickets.open(store, subject="x", text="x", channel="portal", customer=customer, cause=ticket.cause)

    assert before is None and again == ticket
    assert Message.objects.filter(ticket=ticket).count() == 2


def test_after_an_answer_it_can_be_asked_anew(store, customer):
    first = erasure.ask(store, customer, [customer], EMAIL, "en", timezone.now())
    tickets.resolve(first)

    second = erasure.ask(store, customer, [customer], EMAIL, "en", timezone.now())

    assert first != second and erasure.asked(store, [customer], EMAIL) == second


def test_the_wish_of_another_is_not_mine(client, store, customer):
    other = make_customer(store)
    erasure.ask(store, other, [other], other.email, "en", timezone.now())
    make_ticket(store, customer)

    assert "Yes, delete my data" in words(client.get(PAGE))


def test_being_erased_empties_the_wish_too(client, store, customer):
    client.post(PAGE, {"email": EMAIL})

    erasing.erase(erasing.of_customer(customer, timezone.now()))

    assert Ticket.objects.get().subject == "[erased]"
    assert not Message.objects.exclude(body="[erased]").exists()
    assert client.get(PAGE).status_code == 302
