"""Where credit shows beside its own pages: the menu, what is owed, the programme's settings."""

import pytest

from tests.factories import make_account, make_credit, make_customer, make_program, make_staff, make_store, sign_in

from .making import spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return make_store(slug="masala", name="Masala House")


def test_the_menu_has_credit_for_who_has_or_had_some(client, store):
    customer = make_customer(store, email="asha@mail.example")
    make_account(customer, 50)
    sign_in(client, customer.email)
    link = b'<a href="/s/masala/credit/"'
    assert link not in client.get("/s/masala/orders/").content
    account = make_credit(customer, 500)
    spend(account, "5")
    assert link in client.get("/s/masala/orders/").content
    sign_in(client, make_customer(store, email="ravi@mail.example").email)
    assert link not in client.get("/s/masala/orders/").content


def test_programs_read_what_is_owed_in_credit_beside_the_points(api_client, store):
    make_program(store)
    make_account(make_customer(store), 50)
    for customer in (make_customer(store), make_customer(store)):
        make_credit(customer, 1250)
    make_credit(make_customer(store), 5, "EUR")
    make_credit(make_customer(make_store()), 77)
    found = api_client(store).get("/api/v1/loyalty/liability/").json()

    assert found["credit"] == [{"amount": "0.05", "currency": "EUR"}, {"amount": "25.00", "currency": "INR"}]
    assert found["outstanding"]["points"] == 50


def test_the_programme_says_how_long_a_code_of_credit_is_valid(client, store):
    account = make_credit(make_customer(store, email="asha@mail.example"), 1000)
    assert spend(account, "1").terms["valid_days"] == 90
    program = make_program(store, credit_code_days=30)
    made = spend(account, "1")
    days = (made.expires_at.astimezone(store.zone).date() - made.created_at.astimezone(store.zone).date()).days
    assert (made.terms["valid_days"], days) == (30, 30)
    client.force_login(make_staff(store))
    page = client.get(f"/admin/loyalty/program/{program.pk}/change/").content.decode()
    assert 'name="credit_code_days" value="30"' in page
