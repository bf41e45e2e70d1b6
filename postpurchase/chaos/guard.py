"""Ends what a run of chaos has started, however the run itself ended: `python -m postpurchase.chaos.guard FOLDER < PIPE`.

It waits for the end of its input. The run holds the other end of that pipe, and the kernel closes it with the run, be it by SIGKILL. What
belongs to the run is known by the folder in its environment.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from postpurchase import database


def stand(folder: Path) -> subprocess.Popen:
    """Have a process wait for this one's end, then clear `folder`. It keeps no terminal: Ctrl-C is not for it."""
    command = [sys.executable, "-m", "postpurchase.chaos.guard", str(folder)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        cwd=database.FOLDER.parents[1],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def dismiss(guard: subprocess.Popen) -> None:
    """Let it do its work now; returns when that is done."""
    assert guard.stdin is not None
    guard.stdin.close()
    guard.wait(60)


def clear(folder: Path) -> None:
    """End all programs of the run, its PostgreSQL last, and remove the folder."""
    for _ in range(3):
        # What was starting another program this moment is found the next time.
        programs = [process for process in psutil.process_iter() if belongs(process, folder)]
        for process in programs:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(programs, timeout=10)
    database.stop(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)


def belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("VAR_DIR") == str(folder)
    except psutil.Error:
        return False


if __name__ == "__main__":
    sys.stdin.read()
    clear(Path(sys.argv[1]))
