"""Keep a django-q2 cluster alive: start it, feel its pulse, kill and restart all of it when it hangs.

A killed worker can freeze django-q2 for good, and its own way of stopping can hang. What is owed stands in tables, so a cluster
may be killed at any moment and nothing is lost but time.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from django.conf import settings

from . import pulse

logger = logging.getLogger(__name__)

STARTING = 60.0  # seconds until the first pulse must have come
LATE = 30.0  # seconds without a pulse while no worker is busy
LONGEST_WAIT = 30.0  # seconds between two starts of a cluster that keeps dying


class Life:
    """What a cluster has told of itself, by the monotonic clock."""

    def __init__(self, started: float):
        self.started = started
        self.last_pulse: float | None = None
        self.busy: dict[int, float] = {}

    def hear(self, signs: Iterable[tuple[bytes, int]], now: float) -> None:
        for kind, pid in signs:
            if kind == pulse.BEGUN:
                self.busy[pid] = now
            elif kind == pulse.ENDED:
                self.busy.pop(pid, None)
            else:
                self.last_pulse = now

    def is_frozen(self, now: float) -> bool:
        if self.last_pulse is None:
            return now - self.started > STARTING
        # A pulse waits its turn behind tasks; but no task lasts longer than this.
        longest = settings.Q_CLUSTER["timeout"] + 30
        return now - self.last_pulse > LATE and not any(now - began < longest for began in self.busy.values())


class Cluster:
    """One run of `manage.py qcluster`, as the leader of a process group of its own."""

    def __init__(self, name: str):
        self.pipe: int | None
        self.pipe, theirs = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_blocking(theirs, False)
        try:
            self.process = subprocess.Popen(
                [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"],
                env=os.environ | {pulse.PIPE: str(theirs), "WORKER_NAME": name},
                pass_fds=[theirs],
                # A Ctrl-C is for the supervisor alone.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.started = time.monotonic()
        self.life = Life(self.started)

    def listen(self, seconds: float) -> None:
        """Take in what the cluster tells within so many seconds; return early when it told something."""
        assert self.pipe is not None, "nobody listens to a cluster that was put away"
        if not select.select([self.pipe], [], [], seconds)[0]:
            return
        try:
            signs = os.read(self.pipe, 64 * pulse.SIGN.size)
        except BlockingIOError:
            return
        if not signs:  # all of them are gone; the pipe would be "ready" for ever
            time.sleep(min(seconds, 0.1))
        self.life.hear(pulse.SIGN.iter_unpack(signs), time.monotonic())

    def stop(self, is_patient: Callable[[], bool]) -> None:
        """Let it finish what it has begun, but not for ever."""
        # Only the first process: one that is told together with its children loses what they do, and hangs.
        self.process.terminate()
        while self.process.poll() is None:
            if not is_patient():
                logger.warning("The queue takes too long to stop: killed")
                break
            time.sleep(0.1)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of it; a second call does nothing."""
        if self.pipe is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.pipe)
        self.pipe = None


class Supervisor:
    """Runs one cluster after the other until SIGTERM or SIGINT.

    `patience`: seconds that a cluster gets to finish its tasks when it is to stop; a second signal ends the patience.
    """

    def __init__(self, patience: float):
        self.patience = patience
        self.name = f"{socket.gethostname()} {os.getpid()}"
        self.stop_before: float | None = None

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        wait = 1.0
        while self.stop_before is None:
            cluster = Cluster(self.name)
            try:
                self._watch(cluster)
                if self.stop_before is not None:
                    cluster.stop(is_patient=lambda: time.monotonic() < self.stop_before)
                    return
            finally:
                cluster.kill()
            if time.monotonic() - cluster.started > STARTING:
                wait = 1.0
            self._sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _request_stop(self, *args) -> None:
        self.stop_before = time.monotonic() + (self.patience if self.stop_before is None else 0)

    def _watch(self, cluster: Cluster) -> None:
        """Return when the cluster has ended or hangs, or when it is to stop."""
        while self.stop_before is None:
            cluster.listen(0.5)
            if cluster.process.poll() is not None:
                logger.error("The queue ended with status %d: starting it again", cluster.process.returncode)
                return
            if cluster.life.is_frozen(time.monotonic()):
                logger.error("The queue gives no sign of life: starting it again")
                return

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.stop_before is None and time.monotonic() < deadline:
            time.sleep(0.2)
