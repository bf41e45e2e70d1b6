"""Staff give a code from an app besides their password, and without one admin stays shut."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command

from crm.work import drain
from tests import factories

pytestmark = pytest.mark.django_db
PASSWORD = "a long passphrase"


@pytest.fixture(autouse=True)
def required(db, settings):
    settings.STAFF_SECOND_FACTOR = True
    cache.clear()


@pytest.fixture
def staff():
    return factories.make_staff(factories.make_store(), email="agent@shop.example", password=PASSWORD)


def log_in(client):
    return client.post("/accounts/login/", {"login": "agent@shop.example", "password": PASSWORD}, follow=True)


def code_of(secret):
    # An app's codes are good for this half minute; the test's second code must be another one.
    cache.clear()
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def set_up(client):
    page = log_in(client)
    assert page.redirect_chain[-1][0] == "/accounts/second-factor/on/"
    secret = re.search(r"<code[^>]*>(\w+)</code>", page.content.decode())[1]
    page = client.post("/accounts/second-factor/on/", {"code": code_of(secret)}, follow=True)
    codes = re.findall(r"<li>(\w{8})</li>", page.content.decode())
    assert len(codes) == 10
    return secret, codes


def test_a_password_alone_leads_to_setting_it_up_and_nowhere_else(client, staff):
    log_in(client)

    assert client.get("/admin/").status_code == 302
    page = client.get("/admin/orders/order/", follow=True)
    assert page.redirect_chain[-1][0] == "/accounts/second-factor/on/"


def test_once_set_up_admin_opens_and_asks_for_a_code_from_then_on(client, staff):
    secret, _codes = set_up(client)
    assert client.get("/admin/").status_code == 200
    client.logout()

    page = log_in(client)
    assert page.redirect_chain[-1][0] == "/accounts/login/code/"
    assert client.get("/admin/").status_code == 302
    wrong = client.post("/accounts/login/code/", {"code": "000000"}).content.decode()
    assert "That code is not right" in wrong
    assert client.get("/admin/").status_code == 302

    client.post("/accounts/login/code/", {"code": code_of(secret)})
    assert client.get("/admin/").status_code == 200
    assert 0 < client.session.get_expiry_age() <= 12 * 3600


def test_a_recovery_code_lets_in_once(client, staff):
    _secret, codes = set_up(client)
    for expected in (200, 302):
        client.logout()
        log_in(client)
        client.post("/accounts/login/code/", {"code": codes[0]})
        assert client.get("/admin/").status_code == expected


def test_secrets_are_encrypted_at_rest(client, staff):
    secret, codes = set_up(client)

    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert codes[0] not in kept


def test_wrong_codes_are_limited(client, staff):
    secret, _codes = set_up(client)
    client.logout()
    log_in(client)
    right = code_of(secret)
    for number in range(12):
        client.post("/accounts/login/code/", {"code": f"{number:06}"})

    client.post("/accounts/login/code/", {"code": right})

    assert client.get("/admin/").status_code == 302


def test_a_customers_session_of_a_member_of_staff_sets_nothing_up(client, staff):
    """Who reads somebody's mail must not choose the second factor of their account."""
    store = factories.make_store()
    factories.make_customer(store, email=staff.email)
    client.post(f"/s/{store.slug}/sign-in/", {"email": staff.email})
    drain.drain_all()
    code = re.search(r"\d{4}-\d{4}", mail.outbox[-1].body)[0]
    client.post(f"/s/{store.slug}/sign-in/code/", {"code": code})

    for path in ("second-factor/", "second-factor/on/", "second-factor/off/", "recovery-codes/", "recovery-codes/new/"):
        assert client.get(f"/accounts/{path}").url.startswith("/accounts/login/")
    assert client.get("/admin/").status_code == 302


def test_staff_with_a_second_factor_are_customers_too(client, staff):
    set_up(client)
    client.logout()
    store = factories.make_store()
    factories.make_customer(store, email=staff.email)
    client.post(f"/s/{store.slug}/sign-in/", {"email": staff.email})
    drain.drain_all()
    code = re.search(r"\d{4}-\d{4}", mail.outbox[-1].body)[0]
    client.post(f"/s/{store.slug}/sign-in/code/", {"code": code})

    assert client.get(f"/s/{store.slug}/orders/").status_code == 200
    assert client.get("/admin/").status_code == 302
    # The password besides is not enough, either.
    log_in(client)
    assert client.get("/admin/").status_code == 302


def test_who_lost_phone_and_codes_is_helped_by_a_command(client, staff, capsys):
    set_up(client)

    call_command("reset_second_factor", "agent@shop.example")

    assert "agent@shop.example" in capsys.readouterr().out
    assert not Authenticator.objects.exists()
    client.logout()
    assert log_in(client).redirect_chain[-1][0] == "/accounts/second-factor/on/"
    with pytest.raises(CommandError, match="nobody@shop.example"):
        call_command("reset_second_factor", "nobody@shop.example")


def test_it_may_be_switched_off_where_it_is_not_required(client, staff, settings):
    set_up(client)
    assert client.post("/accounts/second-factor/off/").status_code == 200
    assert Authenticator.objects.exists()

    settings.STAFF_SECOND_FACTOR = False
    client.post("/accounts/second-factor/off/")

    assert not Authenticator.objects.filter(type="totp").exists()
    assert client.get("/admin/").status_code == 200
