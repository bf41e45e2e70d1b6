"""Customers read their own language: every page and mail is of one piece."""

import html
import re
from html.parser import HTMLParser

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.messaging import compose, kinds, outbox
from crm.messaging.models import Message
from crm.portal.orders import STATUSES
from crm.reviews import invitations
from crm.shipping import pages
from crm.shipping.models import ShipmentItem, Status
from crm.work import drain
from loyalty import expiry, gifts, tiers
from loyalty.models import ReferralTerms
from tests import factories

LANGUAGES = ["hi", "mr"]


class Reader(HTMLParser):
    """What a page says, aloud or in print, without what stands in another language on purpose."""

    SILENT = {"style", "script"}

    def __init__(self):
        super().__init__()
        self.words, self.language, self.skipping = [], "", None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "html":
            self.language = attrs.get("lang", "")
        elif not self.skipping and (tag in self.SILENT or "lang" in attrs):
            self.skipping = tag
        self.words += [attrs[name] for name in ("aria-label", "placeholder", "title", "alt") if attrs.get(name)]

    def handle_endtag(self, tag):
        if tag == self.skipping:
            self.skipping = None

    def handle_data(self, data):
        if not self.skipping:
            self.words.append(data)


NOT_WORDS = re.compile(r"https?://\S+|[\w.+-]+@[\w.•-]+|\w*\d\w*|[\w•]*•[\w•.@]*|\bRe:|\bmasala\b")


def assert_speaks(language, text):
    """Letters of India, and no Latin ones outside of addresses, numbers and links. Data in these tests has none."""
    said = NOT_WORDS.sub(" ", html.unescape(text))
    assert re.search(r"[\u0900-\u097f]", said)
    assert not re.findall(r"[A-Za-z]{2,}", said)


def read(response, language):
    reader = Reader()
    reader.feed(response.content.decode())
    assert reader.language == language
    assert_speaks(language, " ".join(reader.words))
    return " ".join(" ".join(reader.words).split())


@pytest.fixture
def store(db):
    cache.clear()
    return factories.make_store(
        slug="masala", name="मसाला हाउस", languages=["en", "hi", "mr"], contact_email="help@masala.example",
        contact_phone="020 12345", contact_hours="सोम–शनि", contact_address="पुणे",
    )  # fmt: skip


@pytest.fixture
def customer(store):
    return factories.make_customer(store, email="asha@mail.example", first_name="आशा")


@pytest.fixture
def order(store, customer):
    address = {"first_name": "आशा", "last_name": "कुलकर्णी", "city": "पुणे", "postcode": "411030", "country": "IN"}
    order = factories.make_order(
        store, customer, number="1234", billing=address, shipping=address, total="236.00", discount_total="10.00",
        total_tax="36.00", coupon_lines=[{"code": "दिवाळी"}], shipping_total="40.00",
        shipping_lines=[{"method_title": "घरपोच", "total": "40.00"}], payment_method_title="रोख",
        lines=[{"name": "पीतल का दीया", "quantity": 2}, {"name": "चाय"}],
    )  # fmt: skip
    factories.make_refund(order, amount="10.00")
    return order


@pytest.fixture
def everything(store, customer, order):
    """A customer with something on every page."""
    parcel = factories.make_shipment(order, carrier="other", carrier_name="डाक", status=Status.IN_TRANSIT)
    ShipmentItem.objects.create(shipment=parcel, line_item=order.line_items.order_by("pk").first(), quantity=1)
    program = factories.make_program(store, name="", expiry="lot")
    factories.make_tier(program, "चाँदी", 10, key="silver")
    factories.make_tier(program, "सोना", 100000, key="gold")
    ReferralTerms.objects.create(program=program)
    factories.make_referral(customer, state="declined", reason="cap")
    account = factories.make_account(customer, 1240)
    reward = factories.make_reward(store, 100, description="पाँच कप चाय", minimum_order=500)
    factories.make_credit(customer, 1250)
    for state in ("pending", "ready", "used"):
        factories.make_redemption(account, reward, code=f"22-{len(state)}", state=state)
    card = factories.make_reward(store, 50, kind="gift_card")
    gift = factories.make_gift(factories.make_redemption(account, card, code="22-9"), message="बधाई हो")
    expiry.date_lots(program)
    tiers.nightly(store, timezone.now())
    ticket = factories.make_ticket(
        store, customer, order=order, subject="दीया टूटा है", text="क्या करूँ?", email=customer.email
    )
    invitation = factories.make_invitation(order, state="done", outcome="invited")
    message = outbox.queue(store, "thank-you", "a", order=order)
    return {
        "parcel": parcel,
        "ticket": ticket,
        "invitation": invitation,
        "message": message,
        "reward": reward,
        "gift": gift,
    }


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture
def reader(client, language):
    client.cookies["django_language"] = language
    return client


def test_pages_for_everyone_speak_the_language(reader, language, store, everything, order):
    track = reverse("track", args=["masala"])
    review = invitations.path(everything["invitation"])

    for path in [
        "/s/masala/", "/s/masala/sign-in/", track, pages.path(order), review,
        compose.preferences_url(everything["message"]), gifts.url(everything["gift"]),
    ]:  # fmt: skip
        response = reader.get(path)
        assert response.status_code == 200, path
        read(response, language)
    for path in ["/r/broken/", pages.path(order)[:-4] + "/", "/s/masala/nothing/"]:
        response = reader.get(path)
        assert response.status_code == 404, path
        read(response, language)


def test_forms_say_what_is_wrong_in_the_language(reader, language, store, everything, customer, order):
    review = invitations.path(everything["invitation"])
    line = order.line_items.order_by("pk").first().pk
    for path, data in [
        ("/s/masala/sign-in/", {"email": ""}),
        ("/s/masala/sign-in/", {"email": "आशा"}),
        ("/s/masala/track/", {}),
        ("/s/masala/track/", {"number": "x" * 101, "proof": "1"}),
        ("/s/masala/track/", {"number": "99", "proof": "411030"}),
        (review, {"shown_name": ""}),
        (review, {"shown_name": "आशा", f"item-{line}-text": "चमक"}),
        (review, {"shown_name": "आशा", f"item-{line}-score": "9"}),
    ]:  # fmt: skip
        response = reader.post(path, data)
        assert response.status_code == 200, path
        read(Blank(response, "x" * 101), language)
    assert reader.post(review, {"shown_name": "आशा", f"item-{line}-score": "1"}).status_code == 302
    read(reader.get(review + "thanks/"), language)
    assert reader.post("/s/masala/sign-in/", {"email": customer.email}).status_code == 302
    read(reader.get("/s/masala/sign-in/code/"), language)
    read(reader.post("/s/masala/sign-in/code/", {"code": "1234-5678"}), language)


class Blank:
    """A response without what the test itself has put in."""

    def __init__(self, response, typed):
        self.content = response.content.replace(typed.encode(), b"")


def test_pages_of_a_customer_speak_the_language(reader, language, store, everything, customer, order):
    factories.sign_in(reader, customer.email)
    ticket = f"/s/masala/tickets/{everything['ticket'].number}/"

    for path in [
        "/s/masala/", "/s/masala/orders/", "/s/masala/orders/1234/", "/s/masala/points/", "/s/masala/points/statement/", "/s/masala/membership/", "/s/masala/credit/", "/s/masala/data/", "/s/masala/data/delete/",
        "/s/masala/rewards/", f"/s/masala/rewards/{everything['reward'].pk}/", f"/s/masala/rewards/{everything['gift'].redemption.reward_id}/",
        f"/s/masala/rewards/codes/{everything['gift'].redemption_id}/", "/s/masala/tickets/", "/s/masala/tickets/new/?order=1234", ticket,
    ]:  # fmt: skip
        response = reader.get(path)
        assert response.status_code == 200, path
        read(response, language)
    for path in ["/s/masala/tickets/new/", "/s/masala/data/delete/", ticket]:
        response = reader.post(path, {"type": "xyz1", "email": "x1"})
        assert response.status_code == 400
        read(response, language)


def test_pages_of_somebody_with_nothing_speak_the_language(reader, language, store, customer):
    factories.sign_in(reader, customer.email)
    for path in ["", "orders/", "points/", "rewards/", "credit/", "membership/", "tickets/"]:
        path = f"/s/masala/{path}"
        read(reader.get(path), language)
    factories.sign_in(reader, "stranger@mail.example")
    response = reader.get("/s/masala/orders/")
    assert response.status_code == 403
    read(response, language)


@pytest.mark.parametrize("status", [*STATUSES])
def test_every_status_of_an_order_speaks_the_language(reader, language, store, customer, order, status):
    order.status = status
    order.save(update_fields=["status"])
    factories.sign_in(reader, customer.email)

    read(reader.get("/s/masala/orders/1234/"), language)
    read(reader.get(pages.path(order)), language)


@pytest.mark.parametrize("status", [*Status])
def test_every_state_of_a_parcel_speaks_the_language(reader, language, everything, order, status):
    parcel = everything["parcel"]
    parcel.status, parcel.delivered_at = status, factories.NOW if status == Status.DELIVERED else None
    parcel.save()

    read(reader.get(pages.path(order)), language)


# To staff, who read English.
STAFFS = {"shop-trouble"}
# With what their context holds.
LOYALTY = {
    "points-expiring": {"items": [{"day": "2026-07-01", "points": 5}, {"day": "2026-07-02", "points": 1}]},
    "tier-reached": {"tier": "सोना", "perks": "", "until": "2026-12-31", "multiplier": "1.5"},
    "tier-ending": {
        "tier": "सोना", "lower": "चाँदी", "missing": "300.00", "measure": "spend", "last_day": "2026-12-31",
        "drops_on": "2027-01-31",
    },
    "referral-rewarded": {},
    "referral-welcome": {},
    "referral-declined": {"friend": "ra•••@mail.example", "reason": "वही फ़ोन"},
    "points-taken": {"title": "ऑर्डर 1234", "why": ["माफ़ कीजिए"], "left": 7},
    # A code is of Latin letters in every language.
    "credit-code": {"amount": "₹5.00", "code": "22-23456-78923", "expires": "2026-12-31"},
    "credit-failed": {"amount": "₹5.00"},
    "credit-returned": {"amount": "₹5.00", "code": "22-23456-78923", "why": "rest"},
    "credit-given": {"amount": "₹5.00", "balance": "₹7.50", "reason": "माफ़ कीजिए", "number": "1234"},
    "reward-code": {"reward": "छूट", "code": "22-23456-78923", "expires": "2026-12-31"},
    "reward-failed": {"reward": "छूट"},
    "gift-card": {
        "amount": "₹5.00", "code": "22-23456-78923", "expires": "2026-12-31", "sender": "आशा", "message": "बधाई हो",
    },
    "gift-rest": {"amount": "₹5.00", "code": "22-23456-78923", "expires": "2026-12-31"},
    "gift-ready": {"amount": "₹5.00", "is_rest": True},
    "gift-undelivered": {"amount": "₹5.00"},
    "reward-returned": {"reward": "छूट", "code": "22-23456-78923", "why": "refunded"},
}  # fmt: skip
MAILS = ["thank-you", "shipped", "review-request", "ticket-opened", "ticket-reply", "birthday", *LOYALTY]


@pytest.mark.parametrize("kind", MAILS)
def test_every_mail_speaks_the_language_of_its_customer(language, everything, store, customer, order, kind):
    assert kind in kinds.KINDS
    type(customer).objects.update(language=f"{language}_IN")
    order.refresh_from_db()
    link = "https://pp.example/x/"
    values = {
        "number": 7,
        "subject": "दीया",
        "text": "क्या करूँ?",
        "url": link,
        "review_url": link,
        "points": 5,
    } | LOYALTY.get(kind, {})
    message = outbox.queue(store, kind, "b", order=order, context=values | {"shipment_id": everything["parcel"].pk})

    subject, text, page = compose.render(message)

    assert message.language == language
    assert_speaks(language, f"{subject} {text}")
    reader = Reader()
    reader.feed(page)
    assert reader.language == language
    assert_speaks(language, " ".join(reader.words))


def test_all_kinds_of_mail_are_tried():
    assert set(kinds.KINDS) - STAFFS == set(MAILS)


def test_the_code_is_mailed_in_the_language_of_the_page(reader, language, store, customer):
    reader.post("/s/masala/sign-in/", {"email": customer.email})
    drain.drain_all(at=timezone.now())

    sent = mail.outbox[-1]
    assert_speaks(language, f"{sent.subject} {sent.body}")
    assert f'<html lang="{language}">' in sent.alternatives[0][0]


@pytest.mark.parametrize("known", ["", "fr_FR", "en"])
def test_a_mail_falls_back_to_the_language_of_the_store(store, customer, order, known):
    type(store).objects.update(language="mr")
    store.refresh_from_db()
    customer.language = known
    customer.save(update_fields=["language"])

    message = outbox.queue(store, "thank-you", "c", order=order, customer=customer)

    assert message.language == ("en" if known == "en" else "mr")


def test_a_question_is_answered_in_the_language_it_was_asked_in(reader, language, store, customer):
    factories.sign_in(reader, customer.email)

    reader.post("/s/masala/tickets/new/", {"type": "question", "subject": "दीया", "text": "क्या करूँ?"})

    assert Message.objects.get(kind="ticket-opened").language == language


def test_the_language_is_switched_by_post_and_stays(client, store, customer, order):
    factories.sign_in(client, customer.email)
    assert '<html lang="en">' in client.get("/s/masala/orders/").content.decode()

    response = client.post("/i18n/setlang/", {"language": "mr", "next": "/s/masala/orders/"})

    assert response.url == "/s/masala/orders/"
    for path in ["/s/masala/orders/", "/s/masala/orders/1234/", "/s/masala/", pages.path(order)]:
        assert '<html lang="mr">' in client.get(path).content.decode()
    client.get("/i18n/setlang/?language=hi")
    assert '<html lang="mr">' in client.get("/s/masala/").content.decode()


def test_the_switch_needs_the_pages_own_form(store):
    strict = Client(enforce_csrf_checks=True)

    assert strict.post("/i18n/setlang/", {"language": "mr", "next": "/s/masala/"}).status_code == 403


def test_a_customers_language_is_spoken_before_the_browsers(client, store, customer, order):
    type(customer).objects.update(language="hi")
    factories.sign_in(client, customer.email)

    page = client.get("/s/masala/orders/", headers={"Accept-Language": "mr"}).content.decode()

    assert '<html lang="hi">' in page and "आपके ऑर्डर" in page


def test_a_language_that_the_store_does_not_offer_is_not_spoken(client, store):
    type(store).objects.update(languages=["en", "mr"])
    client.cookies["django_language"] = "hi"

    page = client.get("/s/masala/").content.decode()

    assert '<html lang="en">' in page and "हिन्दी" not in page and "मराठी" in page


def test_a_status_of_the_shops_own_is_shown_as_its_words(client, store, customer, order):
    order.status = "awaiting-engraving"
    order.save(update_fields=["status"])
    factories.sign_in(client, customer.email)
    client.cookies["django_language"] = "hi"

    assert "Awaiting engraving" in client.get("/s/masala/orders/1234/").content.decode()


@pytest.mark.parametrize(("language", "words"), [("hi", "16 जून 2026"), ("mr", "16 जून 2026")])
def test_money_counts_and_dates_are_written_as_in_india(client, store, customer, order, language, words):
    type(order).objects.update(total="1290000.50", date_created_gmt=factories.NOW.replace(day=16))
    factories.make_program(store)
    factories.make_account(customer, 1234567)
    factories.sign_in(client, customer.email)
    client.cookies["django_language"] = language

    orders, points = (client.get(f"/s/masala/{path}/").content.decode() for path in ("orders", "points"))

    assert "₹12,90,000.50" in orders and words in orders
    assert "12,34,567" in points
