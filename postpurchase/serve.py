"""`make serve`: the web and the worker of one machine, in the foreground, with the settings of the environment or `.env`.

A machine that serves for good runs them as two services (docs/running.md); this is the quick way to the same.
"""

import hashlib
import os
import socket
import sys
from pathlib import Path

from postpurchase import database
from postpurchase.processes import Group, ProcessFailed, Program, StopRequested, answers, raise_on_stop_signals

ROOT = Path(__file__).resolve().parent.parent
DEMO_ADMIN = "admin@demo.example"


def say(text: str) -> None:
    print(text, flush=True)


def prepare() -> None:
    """Bring tables, the cache's table and static files up to date. Call after `django.setup()`."""
    from django.core.management import call_command

    say("Bringing the database up to date …")
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    collect_static()


def collect_static() -> None:
    """Collect and compress static files when one of them changed; compressing takes a while."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\n".encode())
    stamp = Path(settings.STATIC_ROOT) / "collected"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        say("Collecting static files …")
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest.hexdigest())


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def web(port: int) -> Program:
    command = [sys.executable, "-m", "gunicorn", "--chdir", str(ROOT), "--config", str(ROOT / "gunicorn.conf.py")]
    return Program(
        "web",
        [*command, "postpurchase.wsgi"],
        environment={"PORT": str(port)},
        healthy=lambda: answers(f"http://127.0.0.1:{port}/healthz"),
        stop_timeout=35,  # gunicorn's own limit for requests in hand is 30
    )


def worker(healthy=lambda: True) -> Program:
    # Longer than the supervisor's own limit, so that it is the one who ends the queue.
    return Program("worker", [sys.executable, str(ROOT / "manage.py"), "worker"], healthy=healthy, stop_timeout=150)


def main() -> int:
    import django

    port = int(os.environ.get("PORT") or 8000)
    if not port_is_free(port):
        say(f"Port {port} is taken. Stop what listens there, or choose another: make serve PORT={port + 1}")
        return 1
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postpurchase.settings")
    try:
        django.setup()
    except database.DatabaseError as error:
        say(str(error))
        return 1
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.db import connections

    group = Group(settings.VAR_DIR / "log", settings.VAR_DIR / "serve.pids")
    try:
        raise_on_stop_signals()
        prepare()
        if get_user_model().objects.filter(email=DEMO_ADMIN).exists():
            say(
                f"This database holds the demo, with a log-in everybody knows ({DEMO_ADMIN}). "
                "Set DATABASE_URL to another database, or remove the demo: make clean"
            )
            return 1
        connections.close_all()
        group.kill_left_overs()
        group.start(web(port))
        group.start(worker())
        say(f"Serving {settings.SITE_URL} on port {port}; logs are in {group.log_folder}. Ctrl-C stops it.")
        group.watch()
    except StopRequested:
        say("\nStopping …")
        return 0
    except (ProcessFailed, database.DatabaseError) as error:
        say(str(error))
        return 1
    finally:
        connections.close_all()
        group.stop()
        if not os.environ.get("DATABASE_URL"):
            database.stop(settings.VAR_DIR / "postgres")


if __name__ == "__main__":
    sys.exit(main())
