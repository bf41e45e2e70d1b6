"""The worker as a program of its own on the real database: it lives through kills and stops when told."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.utils import timezone
from django_q.models import OrmQ

from crm.events.models import Event, Handling
from crm.work import drain, leases, pulse, tasks
from crm.work.models import DueWork, Heartbeat, ScheduleRun, Wake
from crm.work.wake import wake
from crm.work.worker import LATE, STARTING, Life
from tests.factories import make_store

# Several starts of a whole cluster, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(400)
# A start of Django takes many seconds where several tests share a core.
SOON = 90


def wait_for(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return value


@pytest.fixture
def start_worker(database_url, tmp_path):
    workers = []

    def start(*arguments):
        with open(tmp_path / "log", "ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "worker", *arguments],
                cwd=settings.BASE_DIR,
                env=os.environ | {"DATABASE_URL": database_url},
                stdout=log,
                stderr=log,
            )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        for process in [*children(worker), psutil.Process(worker.pid)] if worker.poll() is None else []:
            process.kill()
        worker.wait()
    print(Path(tmp_path / "log").read_text())


def children(worker):
    return psutil.Process(worker.pid).children(recursive=True)


def has_pulse(worker, after=None):
    name = f"worker {os.uname().nodename} {worker.pid}"
    return Heartbeat.objects.filter(name=name, beat_at__gt=after or timezone.now() - timedelta(days=1)).exists()


def owe():
    """A row that a worker tries at once. Nobody has this name, so it shows by its attempt and its error."""
    event = Event.objects.create(
        store=make_store(consumer_key=""), type="test.happened", key="1", occurred_at=timezone.now()
    )
    row = Handling.objects.create(event=event, handler="nobody")
    wake(Handling)
    return row


def was_tried(row):
    row.refresh_from_db()
    return row.error.startswith("LookupError")


def test_a_worker_does_what_is_due_and_stops_when_told(start_worker):
    worker = start_worker()
    row = owe()
    wait_for(lambda: was_tried(row))
    wait_for(lambda: has_pulse(worker))
    family = children(worker)

    worker.terminate()

    assert worker.wait(SOON) == 0
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_process_of_the_queue_costs_nothing_but_a_moment(start_worker):
    worker = start_worker()
    wait_for(lambda: has_pulse(worker))
    first = wait_for(lambda: children(worker))
    # The youngest are the pool: one of the idle workers waits for the queue and holds its lock.
    for process in sorted(first, key=lambda process: process.create_time())[2:4]:
        process.kill()

    row = owe()

    wait_for(lambda: was_tried(row))
    assert not {process.pid for process in first} & {process.pid for process in children(worker)}


def test_what_a_killed_queue_held_is_done_by_the_next_at_once(start_worker):
    held = subprocess.Popen(["sleep", "300"])
    row = owe()
    drain.claim(Handling, timezone.now())
    # As a queue leaves it that was killed with a drain in its hands: rows leased for minutes, a drain asked for that never comes.
    holder = f"{leases.here()} {held.pid} {psutil.Process(held.pid).create_time():.0f}"
    Handling.objects.update(claimed_by=holder)
    OrmQ.objects.all().delete()
    assert Wake.objects.exists()
    held.kill()
    held.wait()

    start_worker()

    wait_for(lambda: was_tried(row), 40)


def test_a_worker_that_will_not_stop_is_killed_when_patience_ends(start_worker):
    worker = start_worker("--patience", "1")
    wait_for(lambda: has_pulse(worker))
    family = children(worker)
    for process in family:
        process.suspend()

    worker.send_signal(signal.SIGINT)

    assert worker.wait(20) == 0
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 10)


def test_a_queue_whose_supervisor_was_killed_ends_itself(start_worker):
    worker = start_worker()
    wait_for(lambda: has_pulse(worker))
    family = children(worker)

    worker.kill()
    worker.wait()

    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 40)


def test_two_workers_share_a_database_and_each_feels_its_own_pulse(start_worker):
    one, other = start_worker(), start_worker()

    wait_for(lambda: has_pulse(one) and has_pulse(other))

    one.terminate()
    one.wait(SOON)
    left_alone = timezone.now()
    wait_for(lambda: has_pulse(other, after=left_alone))


def test_a_worker_without_a_database_says_what_to_do():
    result = subprocess.run(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 1
    assert "manage.py migrate" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def life():
    return Life(started=1000.0)


def test_a_queue_is_frozen_when_no_first_pulse_comes(life):
    assert not life.is_frozen(1000 + STARTING)
    assert life.is_frozen(1001 + STARTING)


def test_an_idle_queue_is_frozen_within_40_seconds(life):
    life.hear([(pulse.BEGUN, 7), (pulse.ENDED, 7), (pulse.ARRIVED, 9)], now=2000)

    assert not life.is_frozen(2000 + LATE)
    assert life.is_frozen(2001 + LATE)
    assert LATE + pulse.EVERY < 40


def test_a_pulse_may_wait_behind_a_task_but_not_longer_than_any_task_lasts(life):
    life.hear([(pulse.ARRIVED, 9)], now=2000)
    life.hear([(pulse.BEGUN, 7)], now=2001)

    assert not life.is_frozen(2001 + settings.Q_CLUSTER["timeout"])
    assert life.is_frozen(2040 + settings.Q_CLUSTER["timeout"])


@pytest.mark.django_db
def test_leftovers_are_drained_a_table_each_and_a_drain_that_was_lost_is_asked_for_again(
    django_capture_on_commit_callbacks,
):
    now = timezone.now()
    owe()
    Wake.objects.create(label="events.Handling", asked_at=now)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.every_minute()
    assert not OrmQ.objects.exists()

    Wake.objects.update(asked_at=now - timedelta(minutes=3))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.every_minute()

    assert [task.name() for task in OrmQ.objects.all()] == ["drain events.Handling"]
    assert Heartbeat.objects.get(name="queue").beat_at >= now


@pytest.mark.django_db
def test_tidy_forgets_what_is_long_done_and_keeps_what_is_owed():
    now = timezone.now()
    long_ago = now - timedelta(days=settings.KEEP_DONE_DAYS, hours=1)
    store = make_store()
    for n, (state, settled_at) in enumerate(
        [("done", long_ago), ("done", now), ("parked", long_ago), ("due", None), ("running", None)]
    ):
        event = Event.objects.create(store=store, type="test.happened", key=str(n), occurred_at=long_ago)
        Handling.objects.create(event=event, handler="h", state=state, settled_at=settled_at, created_at=long_ago)
    Heartbeat.objects.create(name="worker gone", beat_at=long_ago)
    Heartbeat.objects.create(name="queue", beat_at=long_ago)
    ScheduleRun.objects.create(name="of an older version", started_at=long_ago)
    OrmQ.objects.create(key="postpurchase", payload="unreadable", lock=long_ago)

    tasks.tidy()

    assert sorted(Handling.objects.values_list("state", flat=True)) == ["done", "due", "parked", "running"]
    assert list(Heartbeat.objects.values_list("name", flat=True)) == ["queue"]
    assert not ScheduleRun.objects.exists()
    assert not OrmQ.objects.exists()
    assert {model._meta.label for model in drain.tables() if model.FORGET_WHEN_DONE} >= {"events.Handling"}
    assert issubclass(Handling, DueWork)
