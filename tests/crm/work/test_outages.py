"""A database that is away for a moment: what waits, and what says so."""

from contextlib import contextmanager, suppress
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test import Client

from crm.work import outages, pulse, tasks


@contextmanager
def away():
    """The database can't be reached."""
    connection.close()
    with mock.patch.dict(connection.settings_dict, HOST="/nowhere"):
        yield
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_drain_goes_on_when_its_connection_was_cut():
    with suppress(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    assert tasks.drain_table("events.Handling") == 0


@pytest.mark.django_db(transaction=True)
def test_the_queue_waits_for_the_database_and_goes_on():
    broker = pulse.Broker(list_key="test")
    broker.enqueue("work")
    with away():
        assert broker.dequeue() is None

    assert [task for _number, task in broker.dequeue()] == ["work"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/", "/api/v1/orders/"])
def test_while_the_database_is_away_one_is_asked_to_come_again(path):
    browser = Client(raise_request_exception=False, headers={"authorization": "Bearer nobody"})

    with away():
        answer = browser.get(path)

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_sleep(9)",  # cancelled after its time
        "DO $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$",
    ],
)
def test_an_error_of_the_statement_is_none_of_a_database_that_is_away(statement):
    def work():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50ms'")
            cursor.execute(statement)

    with pytest.raises(OperationalError) as failed:
        outages.sit_out(work)

    assert not outages.is_away(failed.value)


@pytest.mark.django_db
def test_within_a_transaction_nothing_is_tried_again():
    tries = []

    def work():
        tries.append(1)
        raise OperationalError

    with pytest.raises(OperationalError):
        outages.sit_out(work)
    assert len(tries) == 1
