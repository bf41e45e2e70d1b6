"""What a mail says, and what it must never let in."""

import re
from email.utils import parseaddr

import pytest
import time_machine
from django.utils import timezone

from crm.messaging import compose, consent, context, names, outbox
from crm.messaging.models import MailSettings, Message
from crm.work import drain
from tests.factories import NOW, make_message

HOSTILE = [
    "{{ settings.SECRET_KEY }}",
    "{% include 'admin/base.html' %}",
    "{% load i18n %}{{ store.consumer_secret }}",
    "Asha\r\nBcc: victim@mail.example",
    "Asha\nSubject: other",
    "<script>alert(1)</script>",
    "Asha\u2028Bcc: victim@mail.example",
    "x" * 10_000,
]


@pytest.fixture
def points(monkeypatch):
    shown = {"points_earned": 1240, "url": "https://pp.example/points/"}
    monkeypatch.setitem(context.PROVIDERS, "loyalty", lambda store, customer, order: shown)


def link_of(message):
    """Without second and signature, which differ from one making to the next."""
    return compose.preferences_url(message).rsplit(":", 2)[0]


@time_machine.travel(NOW, tick=False)
def test_the_thank_you_has_greeting_steps_items_total_and_contact(store, order):
    message = outbox.queue(store, "thank-you", "a", order=order)

    subject, text, html = compose.render(message)

    assert subject == "Thank you, Asha: your order 1234 is confirmed"
    for words in (text, html):
        for expected in (
            "Hello Asha,",
            "We pack your order.",
            "Brass diya",
            "₹100.00",
            "help@masala.example",
            "Mon to Sat",
        ):
            assert expected in words
    assert 'src="https://masala.example/diya.jpg"' in html
    assert link_of(message) in html and link_of(message) in text


def test_points_are_shown_where_an_app_offers_them(points, store, order):
    message = outbox.queue(store, "thank-you", "a", order=order)

    _subject, text, html = compose.render(message)

    assert "You earned 1,240 points with this order." in text and "1,240 points" in html


@pytest.mark.parametrize("name", ["", "   ", "12345", "https://spam.example win", "!!!", None])
def test_without_a_name_the_greeting_reads_naturally(store, order, name):
    order.billing["first_name"] = name
    order.save(update_fields=["billing"])
    order.customer.first_name = ""
    order.customer.save(update_fields=["first_name"])
    message = outbox.queue(store, "thank-you", "a", order=order)

    subject, text, html = compose.render(message)

    assert text.startswith("Hello,\n") and "Hello," in html and "Hello ," not in html
    assert subject == "Thank you: your order 1234 is confirmed"


@pytest.mark.parametrize(
    "name", ["Asha", "श्रीनिवास", "क्\u200dष", "José María", "李", "O’Brien", "عائشة", "Anne-Sophie"]
)
def test_names_of_every_script_are_kept(name):
    assert names.greeting_name(f"  {name} ") == name


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_values(store, order, mailoutbox, value):
    order.billing["first_name"] = value
    order.save(update_fields=["billing"])
    line = order.line_items.get()
    line.name = value
    line.save(update_fields=["name"])
    store.name = value[:200]
    store.save(update_fields=["name"])
    outbox.queue(store, "thank-you", "a", order=order)

    drain.drain_all()

    mail = mailoutbox[0]
    raw = mail.message()
    assert mail.recipients() == ["asha@mail.example"]
    assert raw["Bcc"] is None and len(raw.get_all("Subject")) == 1 and len(mail.subject) <= 200
    assert parseaddr(raw["From"])[1] == "postpurchase@localhost"
    html = mail.alternatives[0][0]
    assert "<script>" not in html
    assert "cs_test" not in html and "cs_test" not in mail.body
    if "{" in value:
        assert value in mail.body


def test_the_mail_is_in_the_recipients_language(store, order):
    message = outbox.queue(store, "thank-you", "a", order=order)
    message.language = "hi"

    assert '<html lang="hi">' in compose.render(message)[2]


def test_service_mail_carries_identity_and_no_unsubscribe_header(store, order, mailoutbox):
    message = outbox.queue(store, "thank-you", "a", order=order)
    drain.drain_all()

    headers = mailoutbox[0].message()
    assert headers["Message-ID"].startswith(f"<{message.public_id}@")
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["From"] == "Masala House <postpurchase@localhost>"
    assert headers["Reply-To"] == "Masala House <help@masala.example>"
    assert headers["List-Unsubscribe"] is None


@time_machine.travel(NOW, tick=False)
def test_marketing_carries_one_click_unsubscribe(store, order, news, mailoutbox):
    consent.give(store, "asha@mail.example", source="checkout")
    message = outbox.queue(store, news, "a", order=order)
    drain.drain_all()

    headers = mailoutbox[0].message()
    assert headers["List-Unsubscribe"].startswith(f"<{link_of(message)}:")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "Unsubscribe" in mailoutbox[0].body


def test_a_store_may_write_from_its_own_address(store, order, mailoutbox):
    MailSettings.objects.create(store=store, from_email="orders@masala.example", reply_to="care@masala.example")
    outbox.queue(store, "thank-you", "a", order=order)
    drain.drain_all()

    headers = mailoutbox[0].message()
    assert headers["From"] == "Masala House <orders@masala.example>"
    assert headers["Reply-To"] == "Masala House <care@masala.example>"
    assert re.search(r"@masala\.example>$", headers["Message-ID"])


def test_an_order_of_downloads_promises_no_parcel(store, order):
    order.shipping, order.shipping_lines = {}, []
    order.save(update_fields=["shipping", "shipping_lines"])
    message = outbox.queue(store, "thank-you", "a", order=order)

    assert "tracking link" not in compose.render(message)[1]


def test_what_was_sent_is_kept_as_it_was(store, order):
    outbox.queue(store, "thank-you", "a", order=order)
    drain.drain_all()

    message = Message.objects.get()
    assert message.sent_at <= timezone.now() and message.subject and message.text and message.html
    assert str(make_message(store)).startswith("Thank you")
