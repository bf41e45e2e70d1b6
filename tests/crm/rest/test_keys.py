from datetime import timedelta

import pytest
from django.utils import timezone

from crm.stores.models import ApiKey
from tests.factories import make_api_key

pytestmark = pytest.mark.django_db


def test_a_request_without_a_key_is_told_how_to_send_one(client):
    answer = client.get("/api/v1/orders/")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "client_error"


@pytest.mark.parametrize("header", ["Bearer pp_wrong", "Bearer ", "Basic abc", "pp_wrong", "Bearer \u00e9"])
def test_a_wrong_key_is_401(client, header):
    assert (
        client.get("/api/v1/orders/", headers={"Authorization": header.encode("latin-1").decode("latin-1")}).status_code
        == 401
    )


def test_expired_and_revoked_keys_are_401(client, store):
    past = timezone.now() - timedelta(seconds=1)
    _row, expired = make_api_key(store, expires_at=past)
    row, revoked = make_api_key(store)
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=past)

    for key in (expired, revoked):
        assert client.get("/api/v1/orders/", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_only_a_hash_of_the_key_is_kept(store):
    row, key = make_api_key(store)
    row.refresh_from_db()

    assert key not in str(vars(row))
    assert row.digest == ApiKey.digest_of(key)


def test_use_is_remembered(api):
    api.get("/api/v1/orders/")

    assert ApiKey.objects.get(store=api.store).last_used_at is not None


def test_too_many_requests_a_minute_are_429_with_the_time_to_wait(api, settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"key": "2/min"}}

    codes = [api.get("/api/v1/orders/").status_code for _ in range(3)]
    refused = api.get("/api/v1/orders/")

    assert codes == [200, 200, 429]
    assert 0 <= int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    "query", ["stat=paid", "customer__email=x", "store__consumer_secret__startswith=cs", "ordering=total"]
)
def test_an_unknown_filter_is_an_error_and_not_everything(api, query):
    answer = api.get(f"/api/v1/orders/?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == query.split("=")[0]


def test_a_filter_with_a_bad_value_names_the_field(api):
    answer = api.get("/api/v1/orders/?created_after=yesterday")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "created_after"


@pytest.mark.parametrize("path", ["/api/v1/orders/0/", "/api/v1/orders/999999999999999999/", "/api/v1/orders/abc/"])
def test_an_order_that_does_not_exist_is_404(api, path):
    assert api.get(path).status_code == 404


def test_the_schema_and_its_page_are_public_and_complete(client):
    schema = client.get("/api/v1/schema/?format=json").json()

    assert {"/api/v1/customers/", "/api/v1/orders/", "/api/v1/products/", "/api/v1/refunds/", "/api/v1/events/"} <= set(
        schema["paths"]
    )
    assert client.get("/api/v1/docs/").status_code == 200
