"""Read a store to its end, run after run, and print what it took: `python -m postpurchase.chaos.reader STORE PER_PAGE`."""

import json
import os
import resource
import sys
import time

LONGEST = 40  # runs


def main(pk: int, per_page: int) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postpurchase.settings")
    django.setup()
    from crm.stores.models import Store
    from crm.woocommerce import sync
    from crm.woocommerce.client import Client
    from crm.woocommerce.errors import WooCommerceError
    from crm.woocommerce.models import SyncState
    from postpurchase.chaos.shops import small_pages

    store = Store.objects.get(pk=pk)
    began, runs, broken = time.monotonic(), 0, 0
    while runs < LONGEST and (not runs or SyncState.objects.filter(store=store).unfinished().exists()):
        runs += 1
        try:
            with small_pages(per_page):
                sync.run(store, client=Client(store, patience=600))
        except WooCommerceError:
            broken += 1
    seconds = time.monotonic() - began
    # Kilobytes, but bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    print(json.dumps({"seconds": seconds, "runs": runs, "broken": broken, "peak": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
