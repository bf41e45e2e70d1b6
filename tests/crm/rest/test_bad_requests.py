"""Cursors, numbers and bodies that no sound program sends: each is answered, and none is an error of the server."""

import pytest

from tests.factories import make_api_key

pytestmark = pytest.mark.django_db
HUGE = "9" * 25


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("orders/?woo_id=1e40", 200),
        ("orders/?customer=" + HUGE, 200),
        ("orders/?limit=none", 200),
        ("orders/?cursor=abc", 400),
        ("customers/?cursor=cD1hYmM%3D", 400),  # p=abc
        ("orders/999999999999999999/", 404),
    ],
)
def test_odd_addresses_of_the_api_are_answered(client, store, path, status):
    _row, key = make_api_key(store)

    assert client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}).status_code == status


def test_a_bad_cursor_is_named_as_what_is_wrong(api):
    [error] = api.get("/api/v1/orders/?cursor=abc").json()["errors"]

    assert error["attr"] == "cursor"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["orders/", "orders/1/"])
def test_what_nobody_may_do_at_an_address_is_405_whatever_the_scopes(client, store, method, path):
    for scopes in (None, []):
        _row, key = make_api_key(store, scopes)
        answer = getattr(client, method)(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"})

        assert answer.status_code == 405
    assert getattr(client, method)(f"/api/v1/{path}").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "5",
        '{"subject": "a\\u0000", "text": "b", "email": "asha@mail.example"}',
        '{"subject": "a", "text": "\\ud800", "email": "asha@mail.example"}',
        '{"subject": "a", "text": "b", "customer": ' + HUGE + "}",
        '{"subject": "a", "text": "b", "order": 1e400}',
        '{"subject": "a", "text": "b", "order": true}',
    ],
)
def test_odd_bodies_are_refused_in_the_shape_of_all_errors(client, store, body):
    _row, key = make_api_key(store)
    answer = client.post(
        "/api/v1/tickets/", body, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
    )

    assert answer.status_code == 400
    assert answer.json()["errors"]
