"""How often something may be asked: counts for a time, kept by the database for all processes."""

from datetime import datetime

from django.db import connection

from .models import AskedCount


def count(key: str, until: datetime, at: datetime) -> int:
    """Count one more for this key (at most 80 characters) and say how many there were until then. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO loyalty_askedcount AS held (key, until, count) VALUES (%(key)s, %(until)s, 1)
            ON CONFLICT (key) DO UPDATE SET
                count = CASE WHEN held.until <= %(at)s THEN 1 ELSE held.count + 1 END,
                until = CASE WHEN held.until <= %(at)s THEN excluded.until ELSE held.until END
            RETURNING count
            """,
            {"key": key, "until": until, "at": at},
        )
        return cursor.fetchone()[0]


def forget(at: datetime) -> int:
    """Drop counts whose time is over."""
    return AskedCount.objects.filter(until__lte=at).delete()[0]
