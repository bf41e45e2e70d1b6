import re

import pytest
from django.core import mail
from django.core.cache import cache

from crm.work import drain
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


@pytest.fixture
def staff():
    return factories.make_staff(factories.make_store(), email="agent@shop.example", password="a long passphrase")


def log_in(client, email="agent@shop.example", password="a long passphrase", **data):
    return client.post("/accounts/login/", {"login": email, "password": password} | data)


def test_staff_log_in_with_address_and_password(client, staff):
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"

    assert log_in(client, next="/admin/").url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_staff_stay_signed_in_for_a_working_day(client, staff):
    log_in(client)

    assert 0 < client.session.get_expiry_age() <= 12 * 3600


def test_a_wrong_password_says_so_and_opens_nothing(client, staff):
    response = log_in(client, password="wrong")

    assert "do not belong together" in response.content.decode()
    assert client.get("/admin/").status_code == 302


def test_tries_are_limited_per_address(client, staff):
    for _ in range(5):
        log_in(client, password="wrong")

    assert "Too many attempts" in log_in(client).content.decode()


def test_a_customers_session_does_not_open_admin(client):
    store = factories.make_store()
    factories.sign_in(client, factories.make_customer(store).email)

    assert client.get("/admin/").status_code == 302
    assert "Sign in" in client.get("/admin/", follow=True).content.decode()


def test_a_code_by_mail_does_not_open_admin_even_for_staff(client, staff):
    """Staff buy in shops, too; who reads their mail is not let in to the back office."""
    store = factories.make_store()
    factories.make_customer(store, email=staff.email)
    client.post(f"/s/{store.slug}/sign-in/", {"email": staff.email})
    drain.drain_all()
    code = re.search(r"\d{4}-\d{4}", mail.outbox[-1].body)[0]
    client.post(f"/s/{store.slug}/sign-in/code/", {"code": code})
    assert client.get(f"/s/{store.slug}/").status_code == 200

    assert client.get("/admin/").status_code == 302
    log_in(client)
    assert client.get("/admin/").status_code == 200


def test_a_password_opens_no_portal(client, staff):
    store = factories.make_store()
    factories.make_customer(store, email=staff.email)
    log_in(client)

    assert "Welcome to" in client.get(f"/s/{store.slug}/").content.decode()


def test_customers_have_no_password_to_log_in_with(client):
    factories.sign_in(client, "asha@mail.example")
    client.logout()

    for password in ("", "!", "password"):
        log_in(client, "asha@mail.example", password)

    assert client.get("/admin/").status_code == 302


def test_nobody_signs_up(client):
    assert client.get("/accounts/signup/").status_code == 404
