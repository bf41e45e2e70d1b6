"""What the scenarios do with shops: connect one, read it in small pages, slow it down, count what is asked of it at once."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from unittest import mock
from uuid import uuid4

from django.db import connection
from django.utils import timezone
from django.utils.text import slugify

from crm.stores.models import Store
from crm.woocommerce import connect, sync
from crm.woocommerce.client import Client
from crm.woocommerce.models import Reread, SyncState, WebhookDelivery
from crm.work import drain
from postpurchase.demo.server import Demo

COMPARE = SyncState.Mode.COMPARE


def on_its_own(demo: Demo) -> Demo:
    """One of several shops of one seed in one database: its number, which comes from the name, is another than theirs."""
    demo.shop.name += f" {uuid4().hex[:8]}"
    return demo


def connected(demo: Demo, name: str) -> Store:
    """A store that was connected this moment; nothing of it is read yet."""
    store = Store(slug=f"{slugify(name)}-{uuid4().hex[:8]}", url=demo.url, insecure=True)
    store.consumer_key, store.consumer_secret = demo.key, demo.secret
    connect.keep(store, connect.check(store))
    return store


def read(store: Store, mode: str = SyncState.Mode.CHANGES, **options) -> sync.Result:
    return sync.run(store, mode=mode, **options)


def done_all() -> None:
    """Do what is due by now, whatever was asked to wait a moment."""
    drain.drain_all(at=timezone.now() + timedelta(hours=1))


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Whoever asks a shop again does so at once."""
    with mock.patch.dict(Client.__init__.__kwdefaults__, sleep=lambda seconds: None):
        yield


@contextlib.contextmanager
def in_haste() -> Iterator[None]:
    """Many thousand webhooks, where this is about what becomes of them.

    What is read again is claimed many at a time, and still read and saved one by one. Nobody pulls the plug, so that nothing waits for the disk.
    """
    with mock.patch.object(Reread, "BATCH", WebhookDelivery.BATCH), connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        try:
            yield
        finally:
            cursor.execute("RESET synchronous_commit")


@contextlib.contextmanager
def small_pages(size: int) -> Iterator[None]:
    """Few objects a page, so that a small shop has many pages."""
    with contextlib.ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("crm.woocommerce") and hasattr(module, "PER_PAGE"):
                stack.enter_context(mock.patch.object(module, "PER_PAGE", size))
        yield


class Counter:
    """Stands before a shop's REST API: makes each answer take `seconds`, and knows how many were under way at once."""

    def __init__(self, demo: Demo, seconds: float = 0.0):
        self.answer, self.seconds = demo.answer, seconds
        self.lock = threading.Lock()
        self.now = self.most = self.total = 0
        demo.answer = self  # type: ignore[method-assign]

    def __call__(self, request):
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        try:
            if self.seconds:
                time.sleep(self.seconds)
            return self.answer(request)
        finally:
            with self.lock:
                self.now -= 1


@contextlib.contextmanager
def meanwhile(work: Callable[[], object], every: float) -> Iterator[list[int]]:
    """Have something done every so many seconds in a thread; gives a list whose only item counts how often it was."""
    ended, times = threading.Event(), [0]

    def run() -> None:
        while not ended.wait(every):
            work()
            times[0] += 1

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()
