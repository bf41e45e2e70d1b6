"""Postings by django-hordak with a lock and a balance check, run by .venv-bench's Python: `hordak_ledger.py URL`.

What a careful shop would write with it. Reads `[accounts, seconds]` a line, and prints the postings a second of such a slice.
"""

import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

ACCOUNTS = 50  # its tree of accounts takes long to grow


def connect(url):
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    wire = urlsplit(url)
    # The embedded server listens at a socket, whose folder stands in the query.
    host = parse_qs(wire.query).get("host", [wire.hostname])[0]
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": wire.port or "",
                "USER": wire.username, "PASSWORD": wire.password or "", "NAME": wire.path.strip("/"),
                "OPTIONS": {"options": "-c search_path=hordak"},
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        DEFAULT_CURRENCY="EUR",
        CURRENCIES=["EUR"],
        HORDAK_DECIMAL_PLACES=2,
        USE_TZ=True,
    )  # fmt: skip
    django.setup()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA hordak")
    call_command("migrate", verbosity=0)


def serve():
    from django.db import transaction
    from hordak.models import Account
    from hordak.utilities.currency import Balance
    from moneyed import Money

    def open_account(name, code):
        return Account.objects.create(name=name, code=code, type="IN", currencies=["EUR"])

    shop = open_account("shop", "1")
    people = [open_account(str(n), str(n + 10)) for n in range(ACCOUNTS)]
    ten = Money(10, "EUR")

    def post(n, accounts):
        with transaction.atomic():
            held = Account.objects.select_for_update().get(pk=people[n // 2 % accounts].pk)
            if n % 2 == 0:
                held.transfer_to(shop, ten)
            elif held.get_balance() < Balance([ten]):
                raise ValueError("not enough")
            else:
                shop.transfer_to(held, ten)

    for line in sys.stdin:
        accounts, seconds = json.loads(line)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            post(count, min(accounts, ACCOUNTS))
            count += 1
        print(json.dumps(count / (time.perf_counter() - began)), flush=True)


if __name__ == "__main__":
    connect(*sys.argv[1:])
    serve()
