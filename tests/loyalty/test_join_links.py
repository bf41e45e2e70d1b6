"""Joining in one step, from the page for everybody through the mailbox to the points."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.db.models import F
from django.test import Client
from django.utils import timezone

from crm.events import recording
from crm.events.models import Event
from crm.messaging import consent
from crm.messaging.models import Purpose, Suppression
from crm.orders.models import Customer
from crm.stores import links
from crm.stores.models import Store, User
from crm.work import drain
from loyalty import join_links, members, tasks
from loyalty.models import JoinLink, Member, Program
from tests.factories import (
    make_customer,
    make_guest,
    make_occasion,
    make_order,
    make_program,
    make_staff,
    make_store,
    sign_in,
)
from tests.loyalty.test_portal import words
from tests.test_translations import assert_speaks, read

pytestmark = pytest.mark.django_db
ABOUT, JOIN, POINTS = "/s/masala/rewards/about/", "/s/masala/rewards/join/", "/s/masala/points/"
EMAIL = "asha@mail.example"


@pytest.fixture
def store():
    cache.clear()
    return make_store(slug="masala", name="Masala House", contact_email="help@masala.example")


@pytest.fixture
def program(store):
    return make_program(store, enrolment="join", name="Masala Points")


@pytest.fixture
def customer(store):
    return make_customer(store, email=EMAIL)


def ask(client, email=EMAIL, lang="en"):
    return client.post(f"{JOIN}?lang={lang}", {"email": email})


def mailed(email=EMAIL):
    """The path of the link in the newest mail."""
    drain.drain_all()
    assert mail.outbox[-1].to == [email]
    return re.search(r"http\S+?(/s/\S+)", mail.outbox[-1].body)[1]


def test_an_address_on_the_page_for_everybody_joins_with_one_press_in_the_mail(client, program, store, customer):
    shown = client.get(ABOUT).content.decode()
    assert f'action="{JOIN}?lang=en"' in shown and "csrfmiddlewaretoken" not in shown
    assert "With it you take part in “Masala Points” of Masala House" in words(client.get(ABOUT))

    answer = ask(client, "Asha@Mail.example")
    assert "Check your email A link is on its way to the address you gave." in words(client.get(answer.url))
    page = client.get(path := mailed())
    assert "as•••@mail.example Join Masala Points" in words(page)
    assert not Member.objects.exists() and "_auth_user_id" not in client.session
    done = client.post(path, follow=True)

    assert done.redirect_chain == [(POINTS, 302)]
    assert "Welcome! From now on your orders earn points." in words(done) and "0 points" in words(done)
    row = Member.objects.get()
    assert (row.customer, row.joined_by) == (customer, "portal")
    assert len(mail.outbox) == 1


def test_known_and_unknown_addresses_get_the_same_page_and_the_same_mail(client, program, customer):
    said = []
    for email in (EMAIL, "nobody@mail.example"):
        answer = ask(client, email)
        page = client.get(answer.url).content
        mailed(email)
        sent = mail.outbox[-1]
        plain = re.sub(r"http\S+", "", sent.body)
        said.append((answer.status_code, answer.url, page, sent.subject, plain))

    assert said[0] == said[1]
    assert not Customer.objects.filter(email="nobody@mail.example").exists()


def test_whoever_has_no_order_yet_becomes_a_guest_once_the_link_is_pressed(client, program, store):
    make_occasion(store, kind="sign_up", points=25)
    ask(client, "ravi@mail.example", "hi")
    path = mailed("ravi@mail.example")
    client.cookies.clear()
    assert "अभी कोई ऑर्डर नहीं" in words(client.get(path))
    assert not Customer.objects.exists()

    client.cookies["django_language"] = "en"
    page = client.post(path, follow=True)
    drain.drain_all()

    assert "Welcome! Order with ravi@mail.example, and your orders earn points." in words(page)
    guest = Customer.objects.get()
    assert (guest.woo_id, guest.email, guest.language) == (None, "ravi@mail.example", "hi")
    assert guest.email_verified_at
    assert Event.objects.filter(type="customer.created", key=str(guest.pk)).count() == 1
    assert "0 points" in words(client.get(POINTS))
    order_paid(guest)
    assert "25 points" in words(client.get(POINTS))


def order_paid(customer, **fields):
    order = make_order(customer.store, customer, total=0, **fields)
    recording.record("order.paid", customer.store, order.pk, order=order, customer=customer, occurred_at=timezone.now())
    drain.drain_all()


@pytest.mark.parametrize("enrolment", ["join", "automatic"])
def test_whoever_takes_part_already_is_brought_to_the_points_and_joins_nothing(client, program, customer, enrolment):
    Program.objects.update(enrolment=enrolment)
    if enrolment == "join":
        members.join(program.store, customer, "staff", timezone.now())
    ask(client)

    path = mailed()
    page = words(client.get(path))
    done = client.post(path, follow=True)

    assert "Welcome back See your points" in page and "With one press" not in page
    assert done.redirect_chain == [(POINTS, 302)] and "Welcome!" not in words(done)
    assert Member.objects.filter(joined_by="portal").count() == 0


def test_whoever_left_comes_back(client, program, customer):
    members.join(program.store, customer, "portal", timezone.now())
    members.leave(program, customer, "portal", timezone.now())
    ask(client)

    path = mailed()
    assert "Come back to Masala Points" in words(client.get(path))
    client.post(path)

    assert members.membership(program, [customer]).is_member
    assert consent.is_given(program.store, EMAIL, Purpose.LOYALTY)


def test_a_link_works_once_and_pressing_twice_is_pressing_once(client, program, customer):
    ask(client)
    path = mailed()
    client.post(path)

    assert client.post(path).url == POINTS
    # The browser that sent both presses with the cookies from before keeps the second answer's.
    twice, other = Client(), Client()
    assert twice.post(path).url == POINTS and twice.session["proven_email"] == EMAIL
    assert other.get(path).status_code == 404
    JoinLink.objects.update(used_at=F("used_at") - JoinLink.AGAIN)
    for answer in (other.get(path), other.post(path)):
        assert answer.status_code == 404
        assert "This link does not work any more" in words(answer) and "Send me a link" in words(answer)
    assert "_auth_user_id" not in other.session
    assert Member.objects.count() == 1


def test_somebody_who_is_switched_off_is_told_and_joins_nothing(client, program, customer):
    User.objects.create(email=EMAIL, is_active=False)
    ask(client)
    path = mailed()

    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 404 and "This link does not work any more" in words(answer)

    assert not Member.objects.exists() and not JoinLink.objects.filter(used_at__isnull=False).exists()


def test_two_presses_at_once_are_one(client, program, customer):
    link = join_links.ask(program.store, EMAIL, "en")
    join_links.use(link, timezone.now())

    with pytest.raises(join_links.Used):
        join_links.use(link, timezone.now())


def test_a_link_is_of_its_store_its_purpose_and_its_half_hour(client, program, customer, time_machine):
    time_machine.move_to("2026-06-15 12:00:00+00:00", tick=False)
    other = make_program(make_store())
    ask(client)
    path = mailed()
    token = path.split("/")[-2]
    link = JoinLink.objects.get()
    forged = links.make("review", link.store_id, link.pk)

    assert client.get(f"/s/{other.store.slug}/rewards/join/{token}/").status_code == 404
    assert client.get(f"{JOIN}{forged}/").status_code == 404
    assert client.get(f"{JOIN}{token[:-1]}/").status_code == 404
    time_machine.shift(30 * 60 - 1)
    assert client.get(path).status_code == 200
    time_machine.shift(2)
    assert client.post(path).status_code == 404
    assert not Member.objects.exists()


def test_a_mail_that_comes_too_late_or_to_an_address_that_takes_none_is_not_sent(client, program, store, time_machine):
    time_machine.move_to("2026-06-15 12:00:00+00:00", tick=False)
    Suppression.objects.create(store=store, email="bounced@mail.example")
    answers = [ask(client, "bounced@mail.example").url, ask(client).url]
    drain.drain(JoinLink)
    assert len({*answers}) == 1 and [message.to for message in mail.outbox] == [[EMAIL]]
    ask(client, "late@mail.example")
    time_machine.shift(30 * 60 + 1)

    drain.drain_all()
    assert len(mail.outbox) == 1
    time_machine.shift(24 * 3600)
    tasks.each_hour()
    assert not JoinLink.objects.exists()


def test_one_mailbox_gets_few_mails_however_it_is_written(client, program):
    for email in ("a.sha@gmail.com", "asha+1@googlemail.com"):
        assert ask(client, email).status_code == 302

    refused = ask(client, "asha@gmail.com")

    assert refused.status_code == 429 and "Too many attempts" in words(refused)
    assert ask(client, "ravi@mail.example").status_code == 302
    assert JoinLink.objects.count() == 3


@pytest.mark.parametrize("email", ["", "asha", "a@b@c.example", "x" * 255 + "@mail.example"])
def test_what_is_no_address_is_told_at_its_field(client, program, email):
    answer = ask(client, email)

    page = answer.content.decode()
    assert answer.status_code == 400 and not JoinLink.objects.exists()
    assert 'id="id_email_error"' in page and 'aria-invalid="true"' in page
    assert re.search(r'aria-describedby="[^"]*id_email_error', page)


def test_a_session_opened_by_the_link_opens_no_admin(client, program, store):
    staff = make_staff(store, email=EMAIL)
    ask(client)

    client.post(mailed())

    assert client.get(POINTS).status_code == 200
    assert client.get("/admin/").status_code == 302
    assert staff.is_staff


def test_the_link_is_for_whoever_presses_it_and_not_for_who_was_signed_in(client, program, customer, store):
    sign_in(client, make_customer(store, email="ravi@mail.example").email)
    ask(client)

    client.post(mailed())

    assert client.session["proven_email"] == EMAIL
    assert Member.objects.get().customer == customer


def test_the_button_needs_the_pages_own_form(program, customer):
    strict = Client(enforce_csrf_checks=True)
    assert ask(strict).status_code == 302
    path = mailed()

    assert strict.post(path).status_code == 403
    assert not Member.objects.exists()


def test_what_was_ordered_as_a_guest_comes_along(client, program, store, customer):
    guest = make_guest(store, email=EMAIL)
    ask(client)

    client.post(mailed())

    guest.refresh_from_db()
    assert guest.joined_to == customer and Member.objects.get().customer == customer


def test_the_page_for_everybody_has_its_parts_in_the_order_of_the_questions_one_asks(client, program, store):
    from loyalty.models import ReferralTerms
    from tests.factories import make_reward, make_tier

    make_reward(store, 500)
    make_tier(program, "Gold", 2000)
    ReferralTerms.objects.create(program=program, minimum_spend=300)

    page = client.get(ABOUT)

    headings = re.findall(r"<h[12]>([^<]+)</h", page.content.decode())
    assert headings == [
        "Masala Points", "How it works", "Ways to earn points", "What your points buy", "Levels", "Invite a friend",
        "The small print, in plain words", "Questions and answers",
    ]  # fmt: skip
    assert "first order has to come to ₹300.00 or more" in words(page)
    assert "help@masala.example" in words(page)


@pytest.mark.parametrize("language", ["hi", "mr"])
def test_all_of_it_speaks_the_language_of_the_page(client, language, program):
    Program.objects.update(name="")
    Store.objects.update(name="मसाला हाउस")
    for page in (ABOUT, JOIN, f"{JOIN}sent/"):
        read(client.get(f"{page}?lang={language}"), language)
    read(ask(client, "आशा", language), language)
    ask(client, "ravi@mail.example", language)
    path = mailed("ravi@mail.example")

    sent = mail.outbox[-1]
    assert_speaks(language, f"{sent.subject} {sent.body}")
    assert f'<html lang="{language}">' in sent.alternatives[0][0]
    client.cookies["django_language"] = language
    for page in (path, f"{path[:-4]}/"):
        read(client.get(page), language)
    read(client.post(path, follow=True), language)
