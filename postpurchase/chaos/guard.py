"""Ends what a run of chaos has started, however the run itself ended: `python -m postpurchase.chaos.guard FOLDER < PIPE`.

It waits for the end of its input. The run holds the other end of that pipe, and the kernel closes it with the run, be it by SIGKILL. What
belongs to the run is known by the folder in its environment.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from postpurchase import database


def stand(folder: Path) -> subprocess.Popen:
    """Have a process clear `folder` now, and again at this one's end. It keeps no terminal: Ctrl-C is not for it.

    Waits for the end of another run in the same folder.
    """
    command = [sys.executable, "-m", "postpurchase.chaos.guard", str(folder)]
    pipe, root = subprocess.PIPE, database.FOLDER.parents[1]
    guard = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root, start_new_session=True)
    assert guard.stdout is not None
    guard.stdout.readline()
    return guard


def dismiss(guard: subprocess.Popen) -> None:
    """Let it do its work now; returns when that is done."""
    assert guard.stdin is not None and guard.stdout is not None
    guard.stdin.close()
    guard.wait(60)
    guard.stdout.close()


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


def main(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        # One run at a time: the guard of one that was killed may still be at work.
        fcntl.flock(lock, fcntl.LOCK_EX)
        clear(folder)
        print("ready", flush=True)
        sys.stdin.read()
        clear(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
