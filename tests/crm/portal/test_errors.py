import pytest
from django.core.cache import cache
from django.test import Client

from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


def test_a_page_that_is_not_there_says_so_in_the_stores_look(client):
    store = factories.make_store(name="Masala House", contact_email="help@masala.example")
    factories.sign_in(client, factories.make_customer(store).email)

    response = client.get(f"/s/{store.slug}/orders/999/")

    assert response.status_code == 404
    assert "Masala House" in response.content.decode() and "help@masala.example" in response.content.decode()


def test_outside_of_any_store_it_is_said_plainly(client):
    response = client.get("/nowhere/")

    assert response.status_code == 404
    assert "This page does not exist" in response.content.decode()


def test_a_form_without_its_token_is_refused_kindly():
    store = factories.make_store()

    response = Client(enforce_csrf_checks=True).post(f"/s/{store.slug}/sign-in/", {"email": "asha@mail.example"})

    assert response.status_code == 403
    assert "Please try again" in response.content.decode()


def test_too_many_visits_to_the_staff_door_are_refused_kindly(client):
    for _ in range(30):
        client.post("/accounts/login/", {"login": "", "password": ""})

    response = client.post("/accounts/login/", {"login": "", "password": ""})

    assert response.status_code == 429
    assert "wait a few minutes" in response.content.decode()


def test_an_error_page_needs_nothing_at_all():
    from django.template.loader import get_template

    assert "our fault" in get_template("500.html").render()
