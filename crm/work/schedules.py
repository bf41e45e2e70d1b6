"""Work that comes round by the clock. An app registers its own in `apps.ready()`."""

from typing import NamedTuple

from django.db import connection, transaction
from django_q.models import Schedule


class Entry(NamedTuple):
    function: str
    minutes: int


SCHEDULES: dict[str, Entry] = {}


def every(minutes: int, name: str, function: str) -> None:
    """Have the dotted `function`, which takes no arguments, run every so many minutes."""
    SCHEDULES[name] = Entry(function, minutes)


every(1, "drain leftovers", "crm.work.tasks.every_minute")
every(24 * 60, "tidy", "crm.work.tasks.tidy")


@transaction.atomic
def install() -> None:
    """Make django-q2's rows equal to what is registered. Code is the only source: one odd row would stop them all."""
    with connection.cursor() as cursor:
        # Names are not unique in that table: of two workers that start together, each would put its own rows in.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('crm.work.schedules'))")
    Schedule.objects.exclude(name__in=SCHEDULES).delete()
    for name, entry in SCHEDULES.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": "crm.work.tasks.run_schedule",
                "args": repr((name,)),
                "schedule_type": Schedule.MINUTES,
                "minutes": entry.minutes,
                "repeats": -1,
            },
        )
