"""Signs of life from inside django-q2's cluster, told to its supervisor (`worker.py`) through a pipe.

A pulse is a task that never touches the database's queue: the broker makes it up every few seconds, and it goes the whole way of a task:
pusher, worker, monitor. So each cluster feels its own pulse, however many share the queue, and a part that hangs is noticed.
"""

import contextlib
import os
import signal
import struct
import time
import uuid

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone
from django_q import cluster, signals
from django_q.brokers.orm import ORM
from django_q.conf import logger
from django_q.signing import SignedPackage

from . import outages

PIPE = "QUEUE_PULSE_PIPE"  # environment variable: the descriptor that the supervisor reads from
EVERY = 5  # seconds
# Between two looks for a database that is away.
AWAY_FOR = 0.5  # seconds
FUNCTION = "crm.work.tasks.pulse"

# What is told: a kind and the process that tells it.
BEGUN, ENDED, ARRIVED = b"b", b"e", b"p"
SIGN = struct.Struct("=cI")


class Broker(ORM):
    """The database's queue, into which a pulse is mixed."""

    pulse_due = 0.0

    def dequeue(self):
        if PIPE in os.environ and time.monotonic() >= self.pulse_due:
            self.pulse_due = time.monotonic() + EVERY
            task = {
                "id": uuid.uuid4().hex,
                "name": "pulse",
                "func": FUNCTION,
                "args": (),
                "kwargs": {},
                "started": timezone.now(),
            }
            # No row in the queue, hence no number to acknowledge.
            return [(None, SignedPackage.dumps(task))]
        try:
            return super().dequeue()
        except (OperationalError, InterfaceError) as error:
            if not outages.is_away(error):
                raise
            # django-q2 itself would wait ten seconds and then make a process anew.
            logger.warning("The queue waits for the database: %s", error)
            connection.close()
            time.sleep(AWAY_FOR)
            return None

    def acknowledge(self, task_id):
        return outages.sit_out(lambda: super(Broker, self).acknowledge(task_id))


class Sentinel(cluster.Sentinel):
    """Looks at what was left behind and at the schedules at once, and ends its whole cluster when one of its processes was killed.

    That one may have been killed while it held the lock of a queue that all share; then nothing would ever move again, and nobody
    could tell. The supervisor starts a new cluster at once.
    """

    def guard(self):
        from . import tasks

        try:
            tasks.take_over()
        except DatabaseError as error:
            logger.warning("What an earlier queue left behind waits for the next minute: %s", error)
        # Its own first look comes half a minute later; what fell due while no worker ran has waited long enough.
        cluster.scheduler(broker=self.broker)
        super().guard()

    def reincarnate(self, process):
        if (process.exitcode or 0) < 0:
            logger.critical("A process of the queue was killed by signal %d: starting all again", -process.exitcode)
            os.killpg(0, signal.SIGKILL)
        super().reincarnate(process)


def install() -> None:
    """Called in every process that starts Django; does something only in a cluster that has a supervisor."""
    if PIPE not in os.environ:
        return
    cluster.Sentinel = Sentinel
    signals.pre_execute.connect(_begun, dispatch_uid="pulse")
    signals.post_execute_in_worker.connect(_ended, dispatch_uid="pulse")
    signals.post_execute.connect(_arrived, dispatch_uid="pulse")


def _begun(**kwargs):
    _tell(BEGUN)


def _ended(**kwargs):
    _tell(ENDED)


def _arrived(task, **kwargs):
    if task["func"] == FUNCTION:
        _tell(ARRIVED)


def _tell(kind: bytes) -> None:
    try:
        # A supervisor that does not read for long must not stop the work.
        with contextlib.suppress(BlockingIOError):
            os.write(int(os.environ[PIPE]), SIGN.pack(kind, os.getpid()))
    except BrokenPipeError:
        # The supervisor was killed. Its successor starts a cluster of its own.
        os.killpg(0, signal.SIGKILL)
