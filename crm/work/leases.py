"""Who holds a claim, and whether that process still lives.

A lease frees a row whose process died, minutes later, on whatever machine. On the machine itself the dead are known at once: a new cluster
lets go of what its predecessor held, so that a kill costs seconds.
"""

import contextlib
import os
import socket
from functools import cache
from pathlib import Path

import psutil

# A process's start is told in whole seconds, and from a clock that may be set meanwhile.
SAME_START = 5


@cache
def here() -> str:
    """Names the place where process numbers mean something: this run of this machine, or of this container on it."""
    parts = [socket.gethostname()[:60]]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def holder() -> str:
    """This process, as it stands in `claimed_by`."""
    return _holder(os.getpid())


# By number, since a forked child inherits what its parent has cached.
@cache
def _holder(pid: int) -> str:
    return f"{here()} {pid} {psutil.Process(pid).create_time():.0f}"


def is_dead(claimed_by: str) -> bool:
    """Whether that process ran here and does not any more. Of other machines' processes nothing is known."""
    place, _, process = claimed_by.partition(" ")
    if place != here():
        return False
    pid, started = (int(number) for number in process.split())
    try:
        process_now = psutil.Process(pid)
        # In a container nobody may ask how an orphan ended, and it stays in the table of processes.
        has_ended = process_now.status() == psutil.STATUS_ZOMBIE
        return has_ended or abs(process_now.create_time() - started) > SAME_START
    except psutil.NoSuchProcess:
        return True
