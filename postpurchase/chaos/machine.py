"""A machine of the run's own: a PostgreSQL that may be killed, and the product's real processes on it."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import environ
import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from postpurchase import database

from . import guard

FOLDER = settings.VAR_DIR / "chaos"


class Machine:
    """Everything lies in `folder` and is gone when the block ends, or this process."""

    # How PostgreSQL is told to stop at once, as `pg_ctl stop -m immediate` does.
    IMMEDIATE = signal.SIGQUIT

    def __init__(self, folder: Path):
        self.folder = folder
        self.postgres = folder / "postgres"
        self.mail_url = "dummymail://"

    def open(self) -> None:
        self.guard = guard.stand(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for static in (settings.STATIC_ROOT, self.folder / "static"):
            static.mkdir(parents=True, exist_ok=True)
        config = environ.Env.db_url_config(database.embedded_url(self.postgres))
        connection.close()
        ours = connection.settings_dict
        ours.update({name: config[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
        ours["OPTIONS"] = ours["OPTIONS"] | config["OPTIONS"]
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)

    def fresh(self) -> None:
        """Go on in a database that holds the migrations' work alone: what one scenario leaves is none of the next one's."""
        use_copy("chaos")

    def close(self) -> None:
        connections.close_all()
        guard.dismiss(self.guard)

    def environment(self) -> dict[str, str]:
        """Of the programs that run on it: the same keys, and mail to nobody unless told."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": settings_of_programs(),
            "DATABASE_URL": url_of_this_database(),
            "VAR_DIR": str(self.folder),
            "SECRET_KEY": settings.SECRET_KEY,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "DEBUG": "off",
            "LOG_LEVEL": "WARNING",
            "EMAIL_URL": self.mail_url,
            # Set here or in .env, this would win over the address.
            "EMAIL_BACKEND": "",
            "HOST": "127.0.0.1",
            "COMPRESS_STATIC": "off",
            "WEB_WORKERS": "2",
            "WEB_THREADS": "4",
        }

    def collect_static(self) -> None:
        """What the web's pages need."""
        command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"]
        subprocess.run(command, cwd=settings.BASE_DIR, env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def web(self, port: int) -> "Service":
        configured = ["--chdir", str(settings.BASE_DIR), "--config", str(settings.BASE_DIR / "gunicorn.conf.py")]
        command = [sys.executable, "-m", "gunicorn", *configured, "postpurchase.wsgi"]
        return Service(self, "web", command, PORT=str(port))

    def worker(self) -> "Service":
        return Service(self, "worker", [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"])

    def sync(self, slug: str, *options: str) -> "Service":
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "sync", slug, *options]
        return Service(self, "sync", command)

    def reconcile(self, slug: str) -> int:
        """Compare a store with its shop, once the worker does not sync it just now; returns the exit status."""
        run, log = self.sync(slug, "--reconcile"), self.folder / "sync.log"
        for _ in range(20):
            begins = log.stat().st_size if log.exists() else 0
            run.start()
            status = run.wait()
            if status == 0 or b"Another process syncs" not in log.read_bytes()[begins:]:
                break
            time.sleep(2)
        return status

    def kill_postgres(self, number: int = signal.SIGKILL) -> None:
        """End the server at once: by SIGKILL as the kernel does when memory runs out, or otherwise."""
        pid = int((self.postgres / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)

    def restart_postgres(self) -> None:
        """Start it again after a kill; returns when it gives connections. What was connected before is closed."""
        database.embedded_url(self.postgres)
        connection.close()


def use_copy(name: str) -> None:
    """Connect to a new copy of the migrated database, to which nobody may be connected. What had that name is dropped."""
    connections.close_all()
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {database.DATABASE}")
    connection.settings_dict["NAME"] = name


def settings_of_programs() -> str:
    """The product's own, unless a test has planted a bug in some."""
    return os.environ.get("CHAOS_SETTINGS") or "postpurchase.settings"


def url_of_this_database() -> str:
    """The present database, for another process."""
    ours = connection.settings_dict
    place = {name: ours[name.upper()] or ours["OPTIONS"].get(name, "") for name in ("host", "port")}
    account = f"{quote(ours['USER'])}:{quote(ours['PASSWORD'])}" if ours["PASSWORD"] else quote(ours["USER"])
    return f"postgres://{account}@/{ours['NAME']}?host={quote(place['host'], safe='')}&port={place['port']}"


@contextlib.contextmanager
def opened(folder: Path | None = None) -> Iterator[Machine]:
    machine = Machine(folder or FOLDER)
    machine.open()
    try:
        yield machine
    finally:
        machine.close()


class Service:
    """One of the product's programs, in a session of its own, started again as often as it is killed."""

    def __init__(self, machine: "Machine", name: str, command: list[str], **environment: str):
        self.machine, self.name, self.command, self.environment = machine, name, command, environment
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.kill()
        with open(self.machine.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=settings.BASE_DIR,
                env=self.machine.environment() | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True) if self.process else []
        except psutil.Error:
            return []

    def kill(self) -> None:
        """All of it, as a machine does that loses its power."""
        if self.process is None:
            return
        family = self.descendants()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=10)

    def kill_one(self, dice: random.Random) -> None:
        """One process of it, whichever; the others must do without."""
        if family := self.descendants():
            with contextlib.suppress(psutil.Error):
                dice.choice(family).kill()

    def wait(self, seconds: float = 600) -> int:
        """Its exit status; -1 if it was not done by then and had to be killed."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1


def wait_until(is_so: Callable[[], bool], seconds: float, every: float = 0.1) -> float | None:
    """How many seconds it took; None if that was not enough."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(every)
    return time.monotonic() - began
