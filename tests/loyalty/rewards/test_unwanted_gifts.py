"""Who does not want gifts by mail gets none, with one click and for good; the giver hands the card over and never learns why."""

import re

import pytest
from django.core import mail
from django.utils import timezone

from crm.messaging import consent
from crm.messaging.kinds import Purpose
from crm.messaging.models import Consent, Message
from crm.orders import erasing
from crm.work import drain
from loyalty import gifts, redeeming, tasks
from loyalty.models import Gift
from loyalty.templatetags.members import spelt
from tests.factories import make_account, make_customer, make_program, make_store
from tests.loyalty.credit.making import change, order_with

from .taking import at_once, balance, words
from .test_gifts import FRIEND, card_for, give, ready
from .test_rests import rest_of

pytestmark = pytest.mark.django_db


def mails_to(address):
    return [message for message in mail.outbox if message.to == [address]]


def test_one_click_in_a_gift_mail_ends_them_and_looking_does_not(client, account):
    first = ready(account)
    drain.drain_all()
    [sent] = mails_to(FRIEND)
    assert "/u/" in sent.body
    assert "No more gifts by email" in sent.alternatives[0].content
    link = re.search(r"/u/[^>]+", sent.extra_headers["List-Unsubscribe"])[0]
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Stop these emails" in words(client.get(link))
    assert not Consent.objects.exists()
    for _click in range(2):
        client.post(link, {"List-Unsubscribe": "One-Click"})
    assert list(Consent.objects.values_list("email", "purpose", "given")) == [(FRIEND, "gift", False)]

    second = ready(account)
    change(order_with(first, "200"))
    rest_of(first)
    drain.drain_all()
    tasks.each_hour()
    drain.drain_all()
    assert len(mails_to(FRIEND)) == 1
    assert {gifts.read(gifts.url(card.gift).rstrip("/").rpartition("/")[2]).delivery for card in (first, second)} == {
        "sent", "undelivered",
    }  # fmt: skip
    told = mails_to("asha@mail.example")[-1]
    assert "give" in told.body or "hand over" in told.body
    assert not any(word in told.body for word in ("unsubscribed", "does not want", FRIEND))

    page = client.post(link, {"gifts": "on"}, follow=True)
    assert "We will bring you gifts from others." in words(page)
    ready(account)
    drain.drain_all()
    assert len(mails_to(FRIEND)) == 2


def test_the_giver_sees_the_same_as_for_any_mail_that_did_not_arrive(account, visit):
    consent.withdraw(account.store, FRIEND, source="test", purpose=Purpose.GIFT)
    refused = ready(account)
    drain.drain_all()
    bounced = ready(account, "nobody@friends.example")
    Message.objects.filter(pk=bounced.gift.mail_id).update(outcome="bounced", state="done", sent_at=timezone.now())

    shown = [
        re.sub(
            rf"{FRIEND}|nobody@friends.example|{card.code}|{spelt(card.code)}", "", words(visit(f"codes/{card.pk}/"))
        )
        for card in (refused, bounced)
    ]
    assert shown[0] == shown[1]
    assert "Please give the code or the link yourself" in shown[0]


def test_a_no_is_for_gifts_of_this_shop_alone(account):
    other = make_store(slug="tea", name="Tea House")
    make_program(other)
    consent.withdraw(account.store, FRIEND, source="test", purpose=Purpose.GIFT)
    assert not consent.is_refused(account.store, FRIEND, Purpose.REVIEW)
    ready(make_account(make_customer(other), 250))
    drain.drain_all()

    assert len(mails_to(FRIEND)) == 1


def gift_to(account, address):
    """Whether a gift card for this address was mailed."""
    before = len(mail.outbox)
    ready(account, address, reward=card_for(account, 1))
    drain.drain_all()
    return any(message.to == [address] for message in mail.outbox[before:])


def test_a_no_is_for_the_mailbox_however_its_address_is_written(account):
    consent.withdraw(account.store, "p.riya+cards@gmail.com", source="test", purpose=Purpose.GIFT)
    assert not gift_to(account, "priya@googlemail.com")
    assert gift_to(account, "priya@mail.example")
    # Other purposes are of the address alone: whoever has it said nothing about them.
    consent.withdraw(account.store, "p.riya+cards@gmail.com", source="test", purpose=Purpose.REVIEW)
    assert not consent.is_refused(account.store, "priya@gmail.com", Purpose.REVIEW)

    consent.give(account.store, "priya@gmail.com", source="test", purpose=Purpose.GIFT)
    assert gift_to(account, "p.riya@gmail.com")


def test_a_no_outlives_the_erasure_of_whoever_said_it_and_leads_to_nobody(account, settings):
    store = account.store

    def erase(address):
        return erasing.erase(erasing.find(store, address, timezone.now())).found

    consent.withdraw(store, f"{FRIEND}", source="one-click", purpose=Purpose.GIFT, proof={"message": 7})
    consent.give(store, FRIEND, source="checkout")
    assert erase(FRIEND)["Consents"] == 2
    assert "Consents" not in erase(FRIEND)
    [left] = Consent.objects.values()
    assert (left["given"], left["purpose"], left["proof"]) == (False, "gift", {})
    assert "priya" not in str(left) and "friends" not in str(left)
    assert not gift_to(account, FRIEND.replace("@", "+more@"))
    assert not consent.is_refused(make_store(), FRIEND, Purpose.GIFT)

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, as long as the one before it was, at least"
    assert consent.is_refused(store, FRIEND, Purpose.GIFT)
    consent.give(store, FRIEND, source="preferences page", purpose=Purpose.GIFT)
    assert not consent.is_refused(store, FRIEND, Purpose.GIFT)
    erase(FRIEND)
    assert not Consent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_givers_at_once_send_no_more_to_one_mailbox_than_one_after_the_other():
    store = make_store()
    make_program(store)
    givers = [make_account(make_customer(store), 10) for _number in range(12)]
    reward, turns = card_for(givers[0], 1), iter(range(12))

    def send():
        number = next(turns)
        try:
            # Written otherwise, it is the same mailbox.
            return give(givers[number], FRIEND.replace("@", f"+{number}@"), reward=reward)
        except redeeming.CannotSend:
            return None

    sent = [redemption for redemption in at_once(12, send) if redemption]

    assert len(sent) == gifts.TO_ONE == Gift.objects.count()
    assert sum(balance(account) for account in givers) == 12 * 10 - gifts.TO_ONE
