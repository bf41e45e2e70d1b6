from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from crm.events import subscribing
from crm.events.models import Event, Handling
from crm.events.recording import Fact, record, record_many
from crm.work import drain
from tests.factories import NOW, make_store


@pytest.fixture
def heard(monkeypatch):
    """Events that a subscriber of `test.happened` was given, as lists of keys; keys that start with "bad" make it fail."""
    monkeypatch.setattr(subscribing, "HANDLERS", dict(subscribing.HANDLERS))
    monkeypatch.setattr(subscribing, "_SUBSCRIPTIONS", defaultdict(list))
    calls = []

    @subscribing.on("test.happened")
    def listen(events):
        calls.append([event.key for event in events])
        if any(event.key.startswith("bad") for event in events):
            raise ValueError("can't stomach this")

    return calls


@pytest.mark.django_db
def test_a_fact_is_recorded_once(store):
    first = record("test.happened", store, "1", data={"n": 1})

    assert first.pk
    assert record("test.happened", store, "1", data={"n": 2}) is None
    assert Event.objects.get().data == {"n": 1}
    assert record("test.happened", make_store(), "1") is not None


@pytest.mark.django_db
def test_every_subscriber_hears_of_new_facts_in_one_batch(store, heard):
    record("test.happened", store, "1")
    record_many(store, [Fact("test.happened", str(n)) for n in range(4)])

    drain.drain(Handling)

    assert heard == [["1", "0", "2", "3"]]
    assert set(Handling.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.django_db
def test_an_event_that_can_not_be_handled_is_parked_alone_with_its_error(store, heard):
    record_many(store, [Fact("test.happened", key) for key in ("1", "bad", "2")])

    at = NOW.replace(year=2100)
    for _ in range(Handling.MAX_ATTEMPTS):
        drain.drain(Handling, at=at)
        at = at.replace(year=at.year + 1)

    parked = Handling.objects.parked().get()
    assert parked.event.key == "bad"
    assert parked.error.startswith("ValueError: can't stomach this")
    assert Handling.objects.filter(state="done").count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 500])
def test_recording_costs_a_constant_number_of_statements(store, heard, count, django_assert_num_queries):
    with django_assert_num_queries(1):
        record_many(store, [Fact("test.happened", str(n)) for n in range(count)])


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_of_one_fact_one_wins(heard):
    store = make_store()

    def write(n):
        try:
            return len(record_many(store, [Fact("test.happened", str(k)) for k in range(20)]))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        recorded = list(pool.map(write, range(6)))

    assert sum(recorded) == 20
    assert Event.objects.count() == Handling.objects.count() == 20
