"""Ask for due rows to be done now instead of at the next minute."""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone
from django_q.tasks import async_task

from .models import DueWork, Wake


def wake(model: type[DueWork]) -> None:
    """Have a worker drain this table soon after the present transaction commits.

    One drain is enough for any number of rows: nothing is enqueued while one waits. The look happens after the commit, so
    that a drain which begins in between either sees the new rows or is asked for again; a process killed before
    it looks loses nothing but time, since every table is drained each minute.
    """
    transaction.on_commit(lambda: _enqueue(model._meta.label))


def wake_again(model: type[DueWork]) -> None:
    """The same for rows that were left behind: a drain that was asked for long ago and never began was lost."""
    Wake.objects.filter(label=model._meta.label, asked_at__lt=timezone.now() - timedelta(minutes=2)).delete()
    wake(model)


def _enqueue(label: str) -> None:
    with connection.cursor() as cursor:
        # Asked after every write that leaves work behind, and nearly always answered with yes.
        cursor.execute("SELECT FROM work_wake WHERE label = %s", [label])
        if cursor.rowcount:
            return
    with transaction.atomic():
        _, created = Wake.objects.get_or_create(label=label)
        if created:
            async_task("crm.work.tasks.drain_table", label, task_name=f"drain {label}")
