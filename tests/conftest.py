"""What every test may use: a database per worker, its URL for other processes, and a browser."""

import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import time_machine
from babel.messages import mofile, pofile
from django.apps import apps
from django.core import signing
from django.db import connection, connections
from django.db.backends.postgresql.operations import DatabaseOperations
from django.utils import translation

from loyalty import proof
from loyalty.models import LedgerEntry
from postpurchase import database

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
GET_A_BROWSER = (
    "Browser tests need Chromium: `apt install chromium fonts-noto-core` (Debian, Ubuntu), `brew install --cask chromium` (macOS), "
    "or BROWSER=/path/to/chromium"
)


def pytest_configure(config):
    """Compile the translations as `make messages` does, for those who call pytest themselves."""
    for source in ROOT.glob("*/locale/*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
            continue
        # Renamed into place, for several workers may do this at once.
        with (
            source.open("rb") as text,
            tempfile.NamedTemporaryFile(dir=source.parent, suffix=".mo", delete=False) as made,
        ):
            mofile.write_mo(made, pofile.read_po(text))
        os.replace(made.name, compiled)


def pytest_unconfigure(config):
    """At the end of the last test run that uses the embedded server: tidy up and stop it."""
    test_settings = sys.modules.get("tests.settings")
    in_use = getattr(test_settings, "server_in_use", None)
    if in_use is None or hasattr(config, "workerinput"):
        return
    with in_use:
        try:
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            left_over = (
                "SELECT datname FROM pg_database WHERE datname ~ '^(template|test)_postpurchase_' AND datname <> %s"
            )
            for (name,) in connection.execute(left_over, [template_name()]).fetchall():
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        database.stop(test_settings.FOLDER)


def url_of(name):
    """The URL of the database `name` on the tests' server."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def template_name():
    """Another set of migrations, another template."""
    migrations = hashlib.sha256()
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path).glob("migrations/*.py")):
            migrations.update(path.read_bytes())
    return f"template_postpurchase_{migrations.hexdigest()[:12]}"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Copy each worker's database from one that is migrated once for each set of migrations."""
    template = template_name()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        # One worker makes it, the others wait. The lock goes with the connection, however this ends.
        connection.execute("SELECT pg_advisory_lock(2085)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            connection.execute(f"DROP DATABASE IF EXISTS {template}_new")
            connection.execute(f"CREATE DATABASE {template}_new")
            migrate(f"{template}_new")
            connection.execute(f"ALTER DATABASE {template}_new RENAME TO {template}")
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = template


def migrate(name):
    environment = os.environ | {"DATABASE_URL": url_of(name)}
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode:
        pytest.exit(f"The migrations failed:\n{result.stdout}{result.stderr}", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def tests_may_erase_the_ledger():
    """Tests that commit empty all tables afterwards, which the points ledger refuses unless it is told."""
    with pytest.MonkeyPatch.context() as patch:
        flush = DatabaseOperations.execute_sql_flush
        allow = "SELECT set_config('postpurchase.erasing', 'on', true)"
        patch.setattr(DatabaseOperations, "execute_sql_flush", lambda self, sql: flush(self, [allow, *sql]))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_two_signatures_in_one_second():
    """A signed link carries its second: a test that compares two of them would pass until a second ends between them, unless it stops the clock."""
    earlier, now = itertools.cycle(range(2)), signing.TimestampSigner.timestamp

    def timestamp(self):
        if time_machine.escape_hatch.is_travelling():
            return now(self)
        return signing.b62_encode(signing.b62_decode(now(self)) - next(earlier))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing.TimestampSigner, "timestamp", timestamp)
        yield


@pytest.fixture(autouse=True)
def no_language_is_left_active():
    """A view speaks its reader's language, and in tests the next one would begin with it."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def the_books_close(request):
    """Whatever a test does with points, in the end the ledger proves itself; unless it breaks the ledger on purpose (`broken_books`)."""
    by_fixture = {"db", "transactional_db"} & {*request.fixturenames}
    for name in by_fixture:
        # So that the database is still there afterwards.
        request.getfixturevalue(name)
    yield
    if not (by_fixture or request.node.get_closest_marker("django_db")) or request.node.get_closest_marker(
        "broken_books"
    ):
        return
    if connection.needs_rollback or not connection.is_usable() or not LedgerEntry.objects.exists():
        return
    assert proof.closes(), list(proof.differences())


@pytest.fixture
def database_url(transactional_db):
    """The URL of this worker's database, for processes that a test starts."""
    return url_of(connections["default"].settings_dict["NAME"])


def browser_path():
    """Where a Chromium is, or None."""
    if named := os.environ.get("BROWSER"):
        return shutil.which(named)
    mac = "/Applications/{0}.app/Contents/MacOS/{0}"
    places = [*BROWSERS, mac.format("Chromium"), mac.format("Google Chrome")]
    return next(filter(None, map(shutil.which, places)), None)


def pytest_collection_modifyitems(config, items):
    if browser_path() or os.environ.get("REQUIRE_BROWSER"):
        return
    for item in items:
        if item.get_closest_marker("browser") or "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=GET_A_BROWSER))


def pytest_terminal_summary(terminalreporter):
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if GET_A_BROWSER in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} browser tests did NOT run. {GET_A_BROWSER}", red=True, bold=True)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window. REQUIRE_BROWSER=1 makes a missing one an error."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    assert path, GET_A_BROWSER
    # Playwright keeps an event loop in this thread, which Django takes for a sign of async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root, nor its shared memory in small containers.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, live_server):
    """A page of a fresh browser session; relative addresses lead to the live server. A script error fails the test."""
    context = browser.new_context(base_url=live_server.url, locale="en-GB", timezone_id="Asia/Kolkata")
    context.set_default_timeout(15_000)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    context.close()
    assert not errors, errors


@pytest.fixture
def store(db):
    from tests.factories import make_store

    return make_store()


@pytest.fixture(scope="module")
def two_stores(django_db_setup, django_db_blocker):
    """Made once for the tests of a module; each has it as it was made (`world`)."""
    from django.db import transaction

    from tests.two_stores import build

    with django_db_blocker.unblock(), transaction.atomic():
        yield build()
        transaction.set_rollback(True)


@pytest.fixture
def world(two_stores, db):
    """Two shops with one row of everything, and signed-in clients (`tests/two_stores.py`). What a test changes is undone."""
    return two_stores


class Api:
    """Django's test client with a store's key in every request; paths and full addresses alike."""

    def __init__(self, client, store, **key):
        self.client = client
        self.store = store
        from tests.factories import make_api_key

        self.key = make_api_key(store, **key)[1]

    def get(self, url, **kwargs):
        return self._send("get", url, **kwargs)

    def post(self, url, data=None, **kwargs):
        return self._send("post", url, data=data, content_type="application/json", **kwargs)

    def _send(self, method, url, headers=None, **kwargs):
        headers = {"Authorization": f"Bearer {self.key}"} | (headers or {})
        return getattr(self.client, method)(url, headers=headers, **kwargs)


@pytest.fixture
def api_client(client):
    """Make an API client of a store: `api_client(store, scopes=[…])`."""
    return lambda store, **key: Api(client, store, **key)


@pytest.fixture
def api(store, api_client):
    """The API with a key of `store` that has every scope; `api.store` is the store."""
    return api_client(store)
