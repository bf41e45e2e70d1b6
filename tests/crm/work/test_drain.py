"""The promises of due work, shown on the handlings of events: the table that every other room stands on."""

import os
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psutil
import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from django_q.models import OrmQ

from crm.events import subscribing
from crm.events.models import Event, Handling
from crm.events.recording import Fact, record_many
from crm.work import drain, leases, schedules
from crm.work.models import DueWork, ScheduleRun, Wake
from crm.work.tasks import run_schedule
from crm.work.wake import wake
from tests.factories import make_store


@pytest.fixture
def handle(monkeypatch):
    """Put a function in the place of the one subscriber of `test.happened`."""
    monkeypatch.setattr(subscribing, "_SUBSCRIPTIONS", defaultdict(list))
    handlers = {}
    monkeypatch.setattr(subscribing, "HANDLERS", handlers)

    def put(function):
        handlers.clear()
        subscribing._SUBSCRIPTIONS.clear()
        subscribing.on("test.happened")(function)

    return put


def owe(store, count=1):
    record_many(store, [Fact("test.happened", str(n)) for n in range(count)])


@pytest.mark.django_db
def test_the_effect_of_a_failed_handler_is_rolled_back(store, handle):
    def fail(events):
        events[0].store.memberships.all()
        type(store).objects.filter(pk=store.pk).update(name="changed")
        raise ValueError

    handle(fail)
    owe(store)
    drain.drain(Handling)

    store.refresh_from_db()
    assert store.name != "changed"
    assert Handling.objects.get().attempts == 1


@pytest.mark.django_db
def test_a_failure_is_tried_again_later_and_later(store, handle):
    def fail(events):
        raise ValueError

    handle(fail)
    owe(store)
    at = timezone.now()
    waits = []
    for _ in range(3):
        drain.drain(Handling, at=at)
        row = Handling.objects.get()
        waits.append(row.due_at - at)
        assert drain.drain(Handling, at=at) == 0
        at = row.due_at

    assert waits == sorted(set(waits))


@pytest.mark.django_db
def test_a_row_whose_process_died_is_taken_over_when_its_lease_is_out(store, handle):
    done = []
    handle(lambda events: done.extend(events))
    owe(store)
    at = timezone.now()
    drain.claim(Handling, at)

    assert drain.drain(Handling, at=at + timedelta(seconds=1)) == 0
    assert drain.drain(Handling, at=at + Handling.LEASE + timedelta(seconds=1)) == 1
    assert len(done) == 1
    assert Handling.objects.get().attempts == 2


@pytest.mark.django_db
def test_what_a_killed_process_of_this_machine_held_is_free_at_once(store, handle):
    done = []
    handle(lambda events: done.extend(events))
    owe(store, 3)
    at = timezone.now()
    drain.claim(Handling, at)
    assert drain.release_the_dead(at) == 0

    process = subprocess.Popen(["sleep", "60"])
    started = psutil.Process(process.pid).create_time()
    Handling.objects.update(claimed_by=f"{leases.here()} {process.pid} {started:.0f}")
    assert drain.release_the_dead(at) == 0
    process.kill()
    process.wait()

    assert drain.release_the_dead(at) == 3
    assert drain.drain(Handling, at=at) == 3
    assert len(done) == 3


@pytest.mark.parametrize(
    ("claimed_by", "dead"),
    [
        ("", False),
        ("another-machine/boot/pid:[1] 4194303 1", False),
        # The number of a process that ended was given to another one.
        ("{here} {pid} {earlier}", True),
        ("{here} {pid} {started}", False),
    ],
)
def test_only_a_process_that_surely_ended_is_dead(claimed_by, dead):
    _, pid, started = leases.holder().rsplit(" ", 2)
    names = {"here": leases.here(), "pid": pid, "started": started, "earlier": int(started) - 60}

    assert leases.is_dead(claimed_by.format(**names)) is dead


def test_a_process_that_nobody_has_buried_is_dead():
    """As in a container whose first process cares for no orphans."""
    process = subprocess.Popen(["sleep", "60"])
    holder = f"{leases.here()} {process.pid} {psutil.Process(process.pid).create_time():.0f}"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert leases.is_dead(holder)
    process.wait()


@pytest.mark.django_db
def test_rows_left_by_a_dead_process_are_taken_one_at_a_time(store, handle):
    batches = []
    handle(lambda events: batches.append(len(events)))
    owe(store, 3)
    at = timezone.now()
    assert len(drain.claim(Handling, at)) == 3

    drain.drain(Handling, at=at + Handling.LEASE + timedelta(seconds=1))

    assert batches == [1, 1, 1]


@pytest.mark.django_db
def test_a_row_that_kills_its_process_each_time_is_parked(store, handle):
    handle(lambda events: None)
    owe(store)
    at = timezone.now()
    for _ in range(Handling.MAX_ATTEMPTS):
        assert len(drain.claim(Handling, at)) == 1
        at += Handling.LEASE + timedelta(seconds=1)

    assert drain.claim(Handling, at) == []
    parked = Handling.objects.get()
    assert parked.state == DueWork.State.PARKED
    assert "died" in parked.error


@pytest.mark.django_db
def test_who_lost_the_lease_changes_nothing(store, handle):
    at = timezone.now()

    def slow(events):
        # While this one works, another process takes its rows over.
        Handling.objects.update(attempts=2)
        type(store).objects.filter(pk=store.pk).update(name="changed")

    handle(slow)
    owe(store)
    drain.drain(Handling, at=at)

    store.refresh_from_db()
    assert store.name != "changed"


@pytest.mark.django_db
def test_parked_rows_can_be_tried_again(store, handle):
    handle(lambda events: None)
    owe(store)
    Handling.objects.update(state=DueWork.State.PARKED, attempts=6, error="once broken")

    assert Handling.objects.retry() == 1
    drain.drain(Handling)

    row = Handling.objects.get()
    assert (row.state, row.error, row.attempts) == ("done", "", 1)


@pytest.mark.django_db(transaction=True)
def test_many_drains_at_once_handle_every_event_once(handle):
    store = make_store()
    counts = defaultdict(int)

    def count(events):
        for event in events:
            counts[event.pk] += 1

    handle(count)
    owe(store, 500)

    def work(_n):
        try:
            drain.drain(Handling)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert set(counts.values()) == {1}
    assert len(counts) == Event.objects.count() == 500


@pytest.mark.django_db
def test_one_drain_is_asked_for_whatever_the_number_of_rows(store, django_capture_on_commit_callbacks):
    for _ in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            wake(Handling)

    assert OrmQ.objects.count() == Wake.objects.count() == 1

    drain.drain(Handling)
    with django_capture_on_commit_callbacks(execute=True):
        wake(Handling)
    assert OrmQ.objects.count() == 2


@pytest.mark.django_db
def test_schedules_in_the_database_become_what_the_code_says():
    from django_q.models import Schedule

    Schedule.objects.create(name="of an older version", func="gone.away")
    schedules.install()
    schedules.install()

    assert set(Schedule.objects.values_list("name", flat=True)) == set(schedules.SCHEDULES)


@pytest.mark.django_db
def test_a_schedule_that_fails_leaves_its_error(monkeypatch):
    monkeypatch.setitem(schedules.SCHEDULES, "broken", schedules.Entry("math.no_such_function", 1))

    with pytest.raises(AttributeError):
        run_schedule("broken")

    run = ScheduleRun.objects.get(name="broken")
    assert run.finished_at and "no_such_function" in run.error


def cut_once(seen):
    """A handler that loses the database in the midst of its first work."""

    def handler(events):
        seen.append(len(events))
        if len(seen) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    return handler


@pytest.mark.django_db(transaction=True)
def test_work_in_which_the_connection_was_cut_is_tried_again(handle, monkeypatch):
    monkeypatch.setattr(Handling, "TRANSACTIONAL", False)
    handle(cut_once([]))
    owe(make_store())

    drain.drain(Handling)

    assert Handling.objects.get().state == "due"


@pytest.mark.django_db(transaction=True)
def test_what_was_claimed_when_the_database_went_away_does_not_wait_for_its_lease(handle, monkeypatch):
    monkeypatch.setattr(Handling, "TRANSACTIONAL", False)
    handle(cut_once([]))
    owe(make_store())
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        away.setitem(connection.settings_dict, "PORT", "9")
        with pytest.raises(DatabaseError):
            drain.drain(Handling)
    assert Handling.objects.get().state == "running"
    monkeypatch.setattr(Handling, "TRANSACTIONAL", True)

    drain.drain(Handling)

    assert Handling.objects.get().state == "done"
