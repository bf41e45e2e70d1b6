"""PostgreSQL that is away for a moment: a restart, a failover, connections that the network forgot."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")

# Where PostgreSQL still said why (https://www.postgresql.org/docs/current/errcodes-appendix.html): connection exceptions, shutdowns, starting,
# no room for another connection. A full disk or a deadlock is something else.
AWAY = re.compile("08|57P|53300")


def is_away(error: BaseException | None) -> bool:
    """Whether a statement failed because there was no database to answer it."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or bool(AWAY.match(state))


def sit_out(work: Callable[[], T], seconds: float = 30) -> T:
    """Do `work`; while the database is away, try again twice a second for so long.

    It begins anew each time. Raises what it failed with when that was not enough, and within a transaction, which nobody can go on with.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if not is_away(error) or connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            connection.close()
            time.sleep(0.5)
