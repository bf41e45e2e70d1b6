"""What django-q2 runs: drains, and the schedules that apps register."""

import importlib

from django.apps import apps
from django.utils import timezone

from . import drain, schedules
from .models import Heartbeat, ScheduleRun


def drain_table(label: str) -> int:
    return drain.drain(apps.get_model(label))


def every_minute() -> None:
    """Beat, and drain whatever was left: rows that nobody woke, retries that fell due, leases of the dead."""
    beat()
    for model in drain.tables():
        drain.drain(model, seconds=20)


def beat() -> None:
    Heartbeat.objects.update_or_create(name="queue", defaults={"beat_at": timezone.now()})


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
