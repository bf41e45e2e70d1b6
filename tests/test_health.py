"""Health, as machines ask for it: without a session, a known host name or secrets in the answer."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from crm.woocommerce.models import SyncState
from crm.work.models import Heartbeat, ScheduleRun
from postpurchase import health
from tests.factories import make_store


@pytest.fixture
def ready(db):
    """Everything as it is where all is well."""
    now = timezone.now()
    store = make_store()
    Heartbeat.objects.create(name="queue", beat_at=now)
    ScheduleRun.objects.create(name=health.POLL, started_at=now)
    SyncState.objects.create(store=store, resource="orders", finished_at=now - timedelta(seconds=100))


def test_healthz_needs_nothing(client):  # no database fixture: a query would fail the test
    response = client.get("/healthz", headers={"host": "10.1.2.3:8000"})

    assert (response.status_code, response.content) == (200, b"ok\n")
    assert "Set-Cookie" not in response.headers


def test_readyz_says_that_all_is_well(client, ready, django_assert_max_num_queries):
    health.wanted_migrations()
    with django_assert_max_num_queries(8):
        response = client.get("/readyz", headers={"host": "10.1.2.3:8000"})

    assert response.status_code == 200
    answer = response.json()
    assert answer["ready"] is True
    assert {name: check["ok"] for name, check in answer["checks"].items()} == {
        "database": True,
        "migrations": True,
        "worker": True,
        "sync": True,
    }
    assert "in the last 10" in answer["checks"]["sync"]["detail"]


def failed(client):
    response = client.get("/readyz")
    checks = response.json()["checks"]
    return response.status_code, [name for name, check in checks.items() if not check["ok"]]


def test_a_worker_that_is_silent_for_three_minutes_is_not_ready(client, ready):
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=3, seconds=2))

    assert failed(client) == (503, ["worker"])


def test_without_a_worker_ever_it_is_not_ready(client, ready):
    Heartbeat.objects.all().delete()

    assert failed(client) == (503, ["worker"])


def test_shops_that_nobody_asks_are_not_ready(client, ready):
    ScheduleRun.objects.update(started_at=timezone.now() - timedelta(minutes=16))

    assert failed(client) == (503, ["sync"])


def test_a_shop_that_lags_behind_does_not_make_the_rest_unready(client, ready):
    SyncState.objects.update(finished_at=timezone.now() - timedelta(days=9))

    assert failed(client) == (200, [])
    assert "the last 7776" in client.get("/readyz").json()["checks"]["sync"]["detail"]


def test_a_missing_migration_is_not_ready(client, ready):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'stores'")

    assert failed(client) == (503, ["migrations"])


def test_a_database_that_is_down_is_503_without_its_address(client, monkeypatch):
    def refuse():
        raise OperationalError("connection to server at 10.0.0.7 failed: password authentication failed for user 'x'")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/readyz")

    assert response.status_code == 503
    assert "10.0.0.7" not in response.text
    assert list(response.json()["checks"]) == ["database"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_reading_is_allowed(client, path):
    assert client.post(path).status_code == 405
