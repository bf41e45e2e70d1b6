"""What django-q2 runs: drains, and the schedules that apps register."""

import importlib
import os
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django_q.models import OrmQ, Task

from . import drain, outages, schedules, wake
from .models import Heartbeat, ScheduleRun, Wake


def drain_table(label: str) -> int:
    # Else it would be asked for again in two minutes, and what this process had claimed would wait for its lease.
    return outages.sit_out(lambda: drain.drain(apps.get_model(label)), seconds=80)


def every_minute() -> None:
    """Ask for a drain wherever something was left: rows that nobody woke, retries that fell due, leases of the dead.

    A task for each table, so that one whose rows take long (a shop that does not answer) does not hold up the others.
    """
    beat("queue")
    now = timezone.now()
    drain.release_the_dead(now)
    for model in drain.waiting(now):
        wake.wake_again(model)


def take_over() -> None:
    """What a new cluster does first: go on at once with what a killed one had begun or was about to begin."""
    now = timezone.now()
    drain.release_the_dead(now)
    for model in drain.waiting(now):
        # The drain that was asked for may have died with the process that had taken it. One too many does no harm.
        Wake.objects.filter(label=model._meta.label).delete()
        wake.wake(model)


def pulse() -> None:
    """What a cluster does every few seconds to show that it lives (`pulse.py`)."""
    beat("queue", f"worker {os.environ['WORKER_NAME']}")


def beat(*names: str) -> None:
    now = timezone.now()
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name[:100], beat_at=now) for name in names],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["beat_at"],
    )


def tidy() -> None:
    """Delete what is of no more use: rows long done, results of failed tasks, beats of workers that are no more, old sessions."""
    now = timezone.now()
    old = now - timedelta(days=settings.KEEP_DONE_DAYS)
    for model in drain.tables():
        if model.FORGET_WHEN_DONE:
            _delete(model.objects.filter(state=model.State.DONE, settled_at__lt=old))
    _delete(Task.objects.filter(stopped__lt=old))
    # A task that nobody has taken or finished for a day is one that kills its process, or that no key opens any more.
    _delete(OrmQ.objects.filter(lock__lt=now - timedelta(days=1)))
    Heartbeat.objects.filter(beat_at__lt=now - timedelta(days=1)).exclude(name="queue").delete()
    ScheduleRun.objects.exclude(name__in=schedules.SCHEDULES).delete()
    call_command("clearsessions")


def _delete(queryset, size=5000) -> None:
    """In portions, so that no lock and no transaction lasts long. The oldest rows have the lowest numbers."""
    while ids := list(queryset.order_by("pk").values_list("pk", flat=True)[:size]):
        queryset.model.objects.filter(pk__in=ids).delete()


def run_schedule(name: str) -> None:
    """Run a registered schedule and remember how it went, so that the jobs page can tell."""
    run, _ = ScheduleRun.objects.update_or_create(
        name=name, defaults={"started_at": timezone.now(), "finished_at": None, "error": ""}
    )
    module, _, function = schedules.SCHEDULES[name].function.rpartition(".")
    try:
        getattr(importlib.import_module(module), function)()
    except Exception as error:
        run.error = drain.describe(error)
        raise
    finally:
        run.finished_at = timezone.now()
        run.save(update_fields=["finished_at", "error"])
