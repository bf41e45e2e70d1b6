"""`make demo`: the pretend shop, and Postpurchase looking after it, on this machine.

python -m postpurchase.demo.run         in the foreground until Ctrl-C
python -m postpurchase.demo.run stop    end one that runs elsewhere
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from postpurchase import database, serve
from postpurchase.processes import Group, ProcessFailed, Program, StopRequested, answers, raise_on_stop_signals

VAR = Path(os.environ.get("VAR_DIR") or serve.ROOT / "var").resolve()
DEMO_FILE = VAR / "demo.json"
SLUG = "masala"
SHOP_KEY, SHOP_SECRET = "ck_demo_masala_house", "cs_demo_masala_house"
PASSWORD = "demo"
POINTS_SECRET = "demo-points-in-the-shop"


def main(arguments: list[str]) -> int:
    VAR.mkdir(parents=True, exist_ok=True)
    if arguments == ["stop"]:
        return stop_elsewhere()
    if arguments:
        serve.say(__doc__)
        return 2
    port, shop_port = int(os.environ.get("PORT") or 8000), int(os.environ.get("SHOP_PORT") or 8900)
    with held_lock() as is_ours:
        if not is_ours:
            where = f" at {json.loads(DEMO_FILE.read_text())['web']}" if DEMO_FILE.exists() else ""
            serve.say(
                f"The demo runs already{where}. Stop it there with Ctrl-C, or here: make clean (forgets its data)"
            )
            return 1
        return run(port, shop_port)


def run(port: int, shop_port: int) -> int:
    began = time.monotonic()
    group = Group(VAR / "log", VAR / "demo.pids")
    group.kill_left_overs()
    for name, number in (("PORT", port), ("SHOP_PORT", shop_port)):
        if not serve.port_is_free(number):
            serve.say(
                f"Port {number} is taken. Stop what listens there, or choose another: make demo {name}={number + 1}"
            )
            return 1
    embedded = not os.environ.get("DATABASE_URL")
    try:
        raise_on_stop_signals()
        set_environment(port, embedded)
        addresses = start(group, port, shop_port)
        write_addresses(addresses)
        serve.say(box(addresses, time.monotonic() - began))
        group.watch()
    except StopRequested:
        serve.say("\nStopping …")
        return 0
    except (ProcessFailed, database.DatabaseError) as error:
        serve.say(f"\n{error}")
        return 1
    finally:
        group.stop()
        if embedded:
            database.stop(VAR / "postgres")
        serve.say("Stopped. The data stays in var/ for the next time; make clean removes it.")


def set_environment(port: int, embedded: bool) -> None:
    """What the demo decides for itself, whatever a `.env` for real use says."""
    serve.say("Starting PostgreSQL …")
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "postpurchase.settings",
        "VAR_DIR": str(VAR),
        "DATABASE_URL": database.embedded_url(VAR / "postgres") if embedded else os.environ["DATABASE_URL"],
        "SITE_URL": f"http://localhost:{port}",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DEBUG": "off",
        # The demo prints its password; nobody should need a phone to look around.
        "STAFF_SECOND_FACTOR": "off",
        "COMPRESS_STATIC": "off",
        # Mail goes to a page and never out.
        "EMAIL_BACKEND": "crm.messaging.mailbox.EmailBackend",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
    }


def start(group: Group, port: int, shop_port: int) -> dict:
    """Start everything in the order in which it leans on each other; returns what goes into var/demo.json."""
    import django
    from django.core.management import CommandError, call_command
    from django.db import connections

    django.setup()
    from crm.stores.models import Store

    serve.prepare()
    web_url, shop_url = f"http://localhost:{port}", f"http://localhost:{shop_port}"
    serve.say("Starting the web and the shop …")
    # The web first: the shop refuses a webhook whose address doesn't answer.
    group.start(serve.web(port))
    group.start(shop(shop_port, shop_url, web_url))
    # The same shop, though it may listen on another port than the last time.
    Store.objects.filter(slug=SLUG).update(url=shop_url)
    try:
        serve.say("Connecting the shop …")
        call_command("connect_store", shop_url, key=SHOP_KEY, secret=SHOP_SECRET, slug=SLUG, insecure=True)
        serve.say("Fetching what changed in the shop …")
        call_command("sync", SLUG)
        call_command("furnish_demo", SLUG, points_secret=POINTS_SECRET)
    except CommandError as error:
        raise ProcessFailed(str(error)) from error
    addresses = {
        "web": web_url,
        "shop": shop_url,
        "mailbox": f"{web_url}/mailbox/",
        "admin": {"url": f"{web_url}/admin/", "user": make_admin(), "password": PASSWORD},
        "api": {"url": f"{web_url}/api/v1/", "key": api_key()},
        "portal": {"url": f"{web_url}/s/{SLUG}/", "email": best_customer()},
    }
    connections.close_all()
    serve.say("Starting the worker …")
    group.start(serve.worker(healthy=lambda: answers(f"{web_url}/readyz")), timeout=120)
    return addresses


def shop(port: int, url: str, web_url: str) -> Program:
    command = [sys.executable, "-m", "postpurchase.demo", "--port", str(port), "--url", url]
    # How much the shop begins with; fewer for a machine in a hurry.
    size = ["--orders", os.environ.get("DEMO_ORDERS") or "3000"]
    kept = ["--state", str(VAR / "demo-shop"), "--key", SHOP_KEY, "--secret", SHOP_SECRET]
    pages = {"Portal": f"/s/{SLUG}/", "Mailbox": "/mailbox/", "Help desk": "/admin/", "API": "/api/v1/docs/"}
    points = ["--points", f"{web_url}/s/{SLUG}/points.json", "--points-secret", POINTS_SECRET]
    links = [part for name, path in pages.items() for part in ("--link", f"{name}={web_url}{path}")]
    return Program("shop", [*command, *size, *kept, *points, *links], healthy=lambda: answers(f"{url}/wp-json/"))


def make_admin() -> str:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if not users.filter(email=serve.DEMO_ADMIN).exists():
        users.create_superuser(serve.DEMO_ADMIN, PASSWORD)
    return serve.DEMO_ADMIN


def api_key() -> str:
    """The key in var/demo.json if the database knows it, else a new one: of a key the database has only a hash."""
    from django.utils import timezone

    from crm.stores.models import ApiKey, Store

    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        key = json.loads(DEMO_FILE.read_text())["api"]["key"]
        if ApiKey.objects.usable(timezone.now()).filter(digest=ApiKey.digest_of(key), store__slug=SLUG).exists():
            return key
    _, key = ApiKey.issue(Store.objects.get(slug=SLUG), "Demo", list(ApiKey.Scope.values))
    return key


def best_customer() -> str:
    """The address of the registered customer with the most orders: the portal has something to show."""
    from django.db.models import Count

    from crm.orders.models import Customer

    customers = Customer.objects.filter(store__slug=SLUG, woo_id__isnull=False).exclude(email="")
    return customers.annotate(count=Count("orders")).order_by("-count", "woo_id").values_list("email", flat=True)[0]


def write_addresses(addresses: dict) -> None:
    """For scripts; for the owner alone, since it holds a key."""
    new = DEMO_FILE.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(addresses, file, indent=2)
    new.replace(DEMO_FILE)


def box(addresses: dict, seconds: float) -> str:
    admin, api, portal = addresses["admin"], addresses["api"], addresses["portal"]
    rows = [
        f"The demo is ready ({seconds:.0f} seconds).",
        "",
        f"Shop       {addresses['shop']}    buy something, pay, ship, refund",
        f"Portal     {portal['url']}    sign in as {portal['email']}",
        f"Mailbox    {addresses['mailbox']}    every mail that would have gone out",
        f"Help desk  {admin['url']}    {admin['user']} / {admin['password']}",
        f"API        {api['url']}docs/",
        f"           curl -H 'Authorization: Bearer {api['key']}' {api['url']}orders/",
        "",
        f"Logs are in {VAR / 'log'}. Ctrl-C stops everything; the data stays.",
    ]
    width = max(map(len, rows))
    line = "─" * (width + 2)
    return "\n".join(["", f"╭{line}╮", *(f"│ {row:<{width}} │" for row in rows), f"╰{line}╯", ""])


@contextlib.contextmanager
def held_lock() -> Iterator[bool]:
    """Whether this process is the one demo that may run; the lock goes with the process, however it ends."""
    with open(VAR / "demo.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield True


def stop_elsewhere(timeout: float = 240) -> int:
    deadline = time.monotonic() + timeout
    asked = False
    while time.monotonic() < deadline:
        with held_lock() as is_ours:
            if is_ours:
                Group(VAR / "log", VAR / "demo.pids").kill_left_overs()
                return 0
            if not asked and (pid := (VAR / "demo.lock").read_text()):
                os.kill(int(pid), signal.SIGTERM)
                asked = True
        time.sleep(0.2)
    serve.say("The demo does not stop.")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
