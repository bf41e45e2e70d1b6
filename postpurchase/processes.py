"""Run a few programs together in the foreground: start in order, wait until healthy, restart, stop all."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

RESTARTS = 3  # within RESTART_WINDOW; more than that is a fault that a restart does not mend
RESTART_WINDOW = 60.0  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessFailed(RuntimeError):
    """A program did not come up, or keeps dying; the message ends with its last log lines."""


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM. Not an Exception: no task that goes on after errors may swallow it."""


@dataclass(eq=False)
class Program:
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    healthy: Callable[[], bool] = lambda: True
    stop_timeout: float = 15.0
    deaths: list[float] = field(default_factory=list)
    process: subprocess.Popen = field(init=False)


class Group:
    """Programs in sessions of their own: a Ctrl-C reaches this process alone, which then stops them one by one."""

    def __init__(self, log_folder: Path, pid_file: Path) -> None:
        self.log_folder = log_folder
        self.pid_file = pid_file
        self.programs: list[Program] = []
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program, timeout: float = 60.0) -> None:
        """Start a program and wait until it is healthy. Raises ProcessFailed."""
        self._spawn(program)
        self.programs.append(program)
        deadline = time.monotonic() + timeout
        while not program.healthy():
            if program.process.poll() is not None:
                raise self._failure(program, f"ended with status {program.process.returncode}")
            if time.monotonic() > deadline:
                raise self._failure(program, f"was not ready after {timeout:.0f} seconds")
            time.sleep(0.1)

    def watch(self, interval: float = 0.5) -> NoReturn:
        """Restart what dies until a signal raises StopRequested. Raises ProcessFailed when restarts don't help."""
        while True:
            for program in self.programs:
                if program.process.poll() is not None:
                    self._bury(program)
            time.sleep(interval)

    def stop(self) -> None:
        """Ask the programs to end, last started first; kill, with all their children, those that don't in time."""
        ignore_stop_signals()
        for program in reversed(self.programs):
            if program.process.poll() is None:
                # To the program alone: a queue whose workers are told as well loses their tasks.
                program.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.process.wait(program.stop_timeout)
            kill_group(program.process.pid)
            program.process.wait()
        self.pid_file.unlink(missing_ok=True)

    def kill_left_overs(self) -> None:
        """Kill what an earlier group with this `pid_file` left running because it was killed itself."""
        with contextlib.suppress(FileNotFoundError):
            for pid, began in json.loads(self.pid_file.read_text()):
                if began_at(pid) == began:
                    kill_group(pid)
            self.pid_file.unlink()

    def log_of(self, program: Program) -> Path:
        return self.log_folder / f"{program.name}.log"

    def _spawn(self, program: Program) -> None:
        with open(self.log_of(program), "ab") as log:
            program.process = subprocess.Popen(
                program.command,
                env=os.environ | program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = {*self.programs, program}
        self.pid_file.write_text(json.dumps([[p.process.pid, began_at(p.process.pid)] for p in running]))

    def _bury(self, program: Program) -> None:
        now = time.monotonic()
        program.deaths = [death for death in program.deaths if now - death < RESTART_WINDOW] + [now]
        if len(program.deaths) > RESTARTS:
            raise self._failure(program, f"ended {len(program.deaths)} times within {RESTART_WINDOW:.0f} seconds")
        kill_group(program.process.pid)
        print(f"{program.name} ended with status {program.process.returncode}; starting it again.", flush=True)
        self._spawn(program)

    def _failure(self, program: Program, what: str) -> ProcessFailed:
        log = self.log_of(program)
        lines = log.read_text(errors="replace").splitlines()[-25:]
        return ProcessFailed("\n".join([f"{program.name} {what}. The end of {log}:", *(f"  {line}" for line in lines)]))


def kill_group(pid: int) -> None:
    """Kill what is left of the session that `pid` began."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def began_at(pid: int) -> float | None:
    """When the process began, which tells it from a later one with its number; None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def raise_on_stop_signals() -> None:
    """From now on the first of SIGNALS raises StopRequested; later ones are not heard, so that stopping is not broken off."""

    def request_stop(number: int, frame: types.FrameType | None) -> None:
        ignore_stop_signals()
        raise StopRequested

    for number in SIGNALS:
        signal.signal(number, request_stop)


def ignore_stop_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def answers(url: str) -> bool:
    """Whether a GET of `url` gives an answer below 400."""
    try:
        # Never through a proxy of the environment: these addresses are this machine's.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5):
            return True
    except (OSError, ValueError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    # `python -m postpurchase.processes URL`: for health checks of images without curl.
    sys.exit(not answers(sys.argv[1]))
