"""PostgreSQL that is away for a moment: a restart, a failover, connections that the network forgot."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")

# What a statement fails with when it is not to blame for that itself.
AWAY = (OperationalError, InterfaceError)


def sit_out(work: Callable[[], T], seconds: float = 30) -> T:
    """Do `work`; while the database is away, try again twice a second for so long.

    It begins anew each time. Raises what it failed with when that was not enough, and within a transaction, which nobody can go on with.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return work()
        except AWAY:
            if connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            connection.close()
            time.sleep(0.5)
