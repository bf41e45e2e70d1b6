"""A machine of the run's own: a PostgreSQL that may be killed, and the product's real processes on it."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import environ
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from postpurchase import database


class Machine:
    """Everything lies in `folder` and is gone when the block ends."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.postgres = folder / "postgres"
        self.url = ""

    def open(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        self.url = database.embedded_url(self.postgres)
        config = environ.Env.db_url_config(self.url)
        connection.close()
        connection.settings_dict.update({name: config[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)

    def close(self) -> None:
        connections.close_all()
        database.stop(self.postgres)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_postgres(self, number: int = signal.SIGKILL) -> None:
        """End the server at once: SIGKILL as the kernel does when memory runs out, SIGQUIT as `pg_ctl stop -m immediate`."""
        pid = int((self.postgres / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)

    def restart_postgres(self) -> None:
        """Start it again after a kill; returns when it gives connections."""
        database.embedded_url(self.postgres)


@contextlib.contextmanager
def opened(folder: Path | None = None) -> Iterator[Machine]:
    machine = Machine(folder or settings.VAR_DIR / "chaos")
    machine.open()
    try:
        yield machine
    finally:
        machine.close()
