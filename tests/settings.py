"""The product's settings on a PostgreSQL of the tests' own.

`DATABASE_URL` names another server to test against. Test runs in the same checkout share one embedded server, each with
databases of its own; the last to end stops it (`conftest.py`).
"""

import fcntl
import os
from pathlib import Path

from postpurchase import database

FOLDER = Path(__file__).resolve().parent.parent / "var" / "postgres-test"

if not os.environ.get("DATABASE_URL"):
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Held shared while a run lasts. Workers of a run inherit DATABASE_URL and so never come here.
    server_in_use = open(FOLDER / "in-use", "w")  # noqa: SIM115
    fcntl.flock(server_in_use, fcntl.LOCK_SH)
    os.environ["DATABASE_URL"] = database.embedded_url(FOLDER, durable=False)
# Tested by its own tests (`tests/crm/stores/test_second_factor.py`).
os.environ.setdefault("STAFF_SECOND_FACTOR", "off")
# The same for all workers of one run, and for no other run.
os.environ.setdefault("TEST_DATABASE", f"test_postpurchase_{os.getpid()}")
os.environ.setdefault("SECRET_KEY", "a key for the tests alone, as long as a real one has to be")
os.environ.setdefault("EMAIL_URL", "memorymail://")

from postpurchase.settings import *  # noqa: E402, F403
from postpurchase.settings import DATABASES, STORAGES  # noqa: E402

# The live server's threads must leave no connection behind: a database in use can't be dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["TEST"] = {"NAME": os.environ["TEST_DATABASE"]}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The manifest is made by collectstatic, which the tests do without.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
# Static files straight from the apps' folders.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
