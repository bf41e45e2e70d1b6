import pytest

from tests import factories

pytestmark = pytest.mark.django_db


def test_the_bare_address_leads_to_the_only_shop_else_to_admin(client):
    assert client.get("/").url == "/admin/"
    store = factories.make_store()
    assert client.get("/").url == f"/s/{store.slug}/"
    factories.make_store()
    assert client.get("/").url == "/admin/"


def test_browsers_find_an_icon_wherever_they_look(client):
    assert client.get("/favicon.ico").url.endswith(".svg")


@pytest.mark.parametrize("path", ["", "nothing/", "orders/abc/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_the_api_has_not_is_said_in_json(client, path, method):
    response = getattr(client, method)(f"/api/v1/{path}")

    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == "not_found"
