import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from crm.portal.models import SignInCode
from crm.stores.models import User
from crm.work import drain
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


@pytest.fixture
def store():
    return factories.make_store(name="Masala House", contact_email="help@masala.example", contact_phone="020 12345")


@pytest.fixture
def customer(store):
    return factories.make_customer(store, email="asha@mail.example")


def ask(client, store, email, **data):
    return client.post(reverse("portal-sign-in", args=[store.slug]), {"email": email} | data)


def mailed_code():
    drain.drain_all()
    return re.search(r"\d{4}-\d{4}", mail.outbox[-1].body)[0]


def give(client, store, code, **data):
    return client.post(reverse("portal-code", args=[store.slug]), {"code": code} | data)


def test_a_customer_signs_in_with_the_code_from_the_mail(client, store, customer):
    assert ask(client, store, "Asha@Mail.example").url == f"/s/{store.slug}/sign-in/code/?"
    code = mailed_code()

    response = give(client, store, code)

    assert response.url == f"/s/{store.slug}/"
    assert "Hello, Asha" in client.get(response.url).content.decode()
    customer.refresh_from_db()
    assert customer.email_verified_at
    user = User.objects.get()
    assert (user.email, user.is_staff, user.has_usable_password()) == ("asha@mail.example", False, False)


def test_signing_in_joins_what_was_ordered_as_a_guest(client, store, customer):
    guest = factories.make_guest(store, email=customer.email)
    order = factories.make_order(store, guest, number="77")
    ask(client, store, customer.email)

    give(client, store, mailed_code())

    order.refresh_from_db()
    assert order.customer == customer
    assert "Order 77" in client.get(f"/s/{store.slug}/orders/").content.decode()


def test_the_mail_is_the_stores_own_and_comes_from_the_worker(client, store, customer):
    ask(client, store, customer.email)
    assert mail.outbox == []

    code = mailed_code()

    message = mail.outbox[0]
    assert message.subject == f"{code} is your code for Masala House"
    assert message.from_email.startswith('"Masala House" <')
    assert message.reply_to == ["help@masala.example"]
    assert "020 12345" in message.body and code in message.alternatives[0].content


def test_the_mail_speaks_the_language_of_the_page(client, store, customer):
    client.cookies["django_language"] = "hi"

    ask(client, store, customer.email)

    assert SignInCode.objects.get().language == "hi"


def test_no_code_can_be_read_in_the_database(client, store, customer):
    ask(client, store, customer.email)
    before = SignInCode.objects.extra(select={"raw": "code"}).get().raw  # noqa: S610
    code = mailed_code()

    assert code not in before and code.replace("-", "") not in before
    assert SignInCode.objects.get().code == ""


def test_an_unknown_address_gets_the_same_answer_and_nothing_else(client, store, customer):
    known = ask(client, store, customer.email)
    known_page = client.get(known.url).content.decode()
    client.logout()
    unknown = ask(client, store, "nobody@mail.example")
    unknown_page = client.get(unknown.url).content.decode()

    drain.drain_all()

    def plain(page):
        return re.sub(r'value="\w{64}"', "", page).replace(customer.email, "X").replace("nobody@mail.example", "X")

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert plain(known_page) == plain(unknown_page)
    assert len(mail.outbox) == 1
    assert not User.objects.filter(email="nobody@mail.example").exists()
    assert not SignInCode.objects.filter(email="nobody@mail.example").exists()


def test_a_customer_of_another_store_is_unknown_here(client, store, customer):
    other = factories.make_store()

    ask(client, other, customer.email)
    drain.drain_all()

    assert mail.outbox == []


def test_an_unknown_address_fails_with_any_code(client, store):
    ask(client, store, "nobody@mail.example")

    for code in ("", "0000-0000", "00000000"):
        give(client, store, code)

    assert "Welcome to" in client.get(f"/s/{store.slug}/").content.decode()


def test_three_wrong_codes_end_the_attempt(client, store, customer):
    ask(client, store, customer.email)
    code = mailed_code()

    for _ in range(2):
        assert "not the code we sent" in give(client, store, "0000-0000").content.decode()
    last = give(client, store, "0000-0000")

    assert last.url == f"/s/{store.slug}/sign-in/"
    assert "Ask for a new one" in client.get(last.url).content.decode()
    assert give(client, store, code).url.startswith(f"/s/{store.slug}/sign-in/")
    assert "Hello" not in client.get(f"/s/{store.slug}/").content.decode()


def test_an_empty_field_is_no_wrong_code(client, store, customer):
    ask(client, store, customer.email)
    code = mailed_code()

    for _ in range(4):
        assert "This field is required" in give(client, store, " ").content.decode()

    assert give(client, store, code).url == f"/s/{store.slug}/"


def test_a_code_works_once(client, store, customer):
    ask(client, store, customer.email)
    code = mailed_code()
    give(client, store, code)
    client.post(reverse("portal-sign-out", args=[store.slug]))

    assert give(client, store, code).url.startswith(f"/s/{store.slug}/sign-in/")


def test_a_code_works_in_the_browser_that_asked_for_it_alone(client, store, customer):
    ask(client, store, customer.email)
    code = mailed_code()

    assert give(Client(), store, code).url.startswith(f"/s/{store.slug}/sign-in/")


def test_a_code_ends_after_fifteen_minutes(client, store, customer, time_machine):
    time_machine.move_to("2026-06-15 12:00:00+00:00", tick=False)
    ask(client, store, customer.email)
    code = mailed_code()

    time_machine.shift(15 * 60 + 1)

    assert give(client, store, code).url.startswith(f"/s/{store.slug}/sign-in/")


def test_a_code_that_could_not_be_mailed_in_time_is_not_mailed(client, store, customer, time_machine):
    time_machine.move_to("2026-06-15 12:00:00+00:00", tick=False)
    ask(client, store, customer.email)

    time_machine.shift(15 * 60 + 1)
    drain.drain_all()

    assert mail.outbox == []
    assert SignInCode.objects.get().code == ""


def test_one_address_gets_three_codes_a_minute(client, store, customer):
    for _ in range(3):
        assert ask(client, store, customer.email).status_code == 302

    assert "Too many attempts" in ask(client, store, customer.email).content.decode()
    assert "Too many attempts" not in ask(client, store, "other@mail.example").content.decode()


def test_one_browser_asks_for_twenty_addresses_a_minute(client, store):
    for n in range(20):
        assert ask(client, store, f"n{n}@mail.example").status_code == 302

    assert "Too many attempts" in ask(client, store, "n20@mail.example").content.decode()


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/admin/",
        "/s/other/",
        "javascript:alert(1)",
        "/s/{slug}/../../admin/",
    ],
)
def test_sign_in_never_leads_out_of_the_stores_portal(client, store, customer, next):
    ask(client, store, customer.email)

    response = give(client, store, mailed_code(), next=next.replace("{slug}", store.slug))

    assert response.url == f"/s/{store.slug}/"


def test_sign_in_leads_back_to_the_page_that_was_asked_for(client, store, customer):
    wanted = f"/s/{store.slug}/orders/?page=2"
    to_code = ask(client, store, customer.email, next=wanted).url
    code = mailed_code()

    assert client.post(to_code, {"code": code}).url == wanted


def test_signing_out_needs_a_post(client, store, customer):
    factories.sign_in(client, customer.email)

    assert client.get(f"/s/{store.slug}/sign-out/").status_code == 405
    assert client.post(f"/s/{store.slug}/sign-out/").url == f"/s/{store.slug}/"
    assert "Hello" not in client.get(f"/s/{store.slug}/").content.decode()


def test_an_address_this_store_does_not_know_sees_nothing_of_it(client, store):
    factories.sign_in(client, "stranger@mail.example")

    response = client.get(f"/s/{store.slug}/")

    assert response.status_code == 403
    assert "No orders for this address" in response.content.decode()


def test_a_switched_off_user_gets_no_code(client, store, customer):
    User.objects.create_user(customer.email, is_active=False)

    ask(client, store, customer.email)
    drain.drain_all()

    assert mail.outbox == []


def test_yesterdays_codes_are_forgotten(client, store, customer, time_machine):
    from crm.portal import signin

    time_machine.move_to("2026-06-15 12:00:00+00:00", tick=False)
    ask(client, store, customer.email)
    time_machine.shift(24 * 3600 + 1)

    signin.forget()

    assert not SignInCode.objects.exists()
