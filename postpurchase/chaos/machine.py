"""A machine of the run's own: a folder, a PostgreSQL in it, and the surroundings of other processes that work on it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import environ
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from postpurchase import database

from . import guard

FOLDER = settings.VAR_DIR / "chaos"


class Machine:
    """Everything lies in `folder` and is gone when the block ends, or this process."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.postgres = folder / "postgres"

    def open(self) -> None:
        guard.clear(self.folder)
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

    def close(self) -> None:
        connections.close_all()
        guard.dismiss(self.guard)

    def environment(self) -> dict[str, str]:
        """Of the programs that run on it: the same keys, and mail to nobody."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "postpurchase.settings",
            "DATABASE_URL": url_of_this_database(),
            "VAR_DIR": str(self.folder),
            "SECRET_KEY": settings.SECRET_KEY,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "DEBUG": "off",
            "LOG_LEVEL": "WARNING",
            "EMAIL_URL": "dummymail://",
        }


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


def wait_until(is_so: Callable[[], bool], seconds: float, every: float = 0.1) -> float | None:
    """How many seconds it took; None if that was not enough."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(every)
    return time.monotonic() - began
