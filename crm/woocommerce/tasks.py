"""What the worker does by the clock or because somebody asked. Each may run twice and be killed anywhere."""

import logging

from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from crm.stores.models import Store

from . import connect, locks, runs, sync, webhook_care
from .errors import WooCommerceError
from .models import SyncRun, SyncState

logger = logging.getLogger(__name__)

# Well within the time a task may take, with the longest wait for one answer added; what is left goes on in the next task.
SLICE = 30


def poll() -> None:
    stores = list(Store.objects.connected().values_list("pk", flat=True))
    wanted = runs.wanted(stores)
    for pk in stores:
        enqueue_sync(pk, wanted.get(pk, SyncState.Mode.CHANGES))


def compare() -> None:
    for store in runs.due_for_comparison(timezone.now()):
        # On record, so that a poll which is at it just now puts it off and not away until the next night.
        ask_for_sync(store, SyncState.Mode.COMPARE)


def forget() -> None:
    runs.forget_old(timezone.now())


@transaction.atomic
def ask_for_sync(store: Store, mode: str = SyncState.Mode.CHANGES) -> SyncRun:
    """Have a worker sync the store as soon as it can; asked twice, it happens once. Returns the run."""
    run, _is_new = runs.ask(store, mode, timezone.now())
    enqueue_sync(store.pk, mode)
    return run


def enqueue_sync(store_id: int, mode: str = SyncState.Mode.CHANGES) -> None:
    async_task("crm.woocommerce.tasks.sync_store", store_id, str(mode), task_name=f"sync {store_id}")


def sync_store(store_id: int, mode: str) -> None:
    store = Store.objects.get(pk=store_id)
    try:
        result = sync.run(store, mode=mode, seconds=SLICE)
    except sync.Busy:
        # Whoever asked for a run finds it waiting: it comes after the one that goes on, or with the next poll.
        return
    except WooCommerceError as error:
        logger.warning("%s: %s", store.slug, error)
        SyncState.objects.filter(store=store, error="").unfinished().update(error=str(error))
        return
    if not result.is_finished:
        enqueue_sync(store_id, result.mode)
    elif after := runs.wanted([store_id]).get(store_id):
        enqueue_sync(store_id, after)


def look_after_webhooks() -> None:
    for store in Store.objects.connected().exclude(webhook_secret=""):
        # What can't arrive would be switched off, put right and told of for ever.
        if webhook_care.is_reachable(store) or webhook_care.has_called(store):
            enqueue_repair(store.pk)


def repair_webhooks(store_id: int) -> None:
    """Look after a store's webhooks; what they missed while they were off is fetched."""
    store = Store.objects.get(pk=store_id)
    try:
        care = webhook_care.repair(store)
    except locks.Busy:
        return
    except WooCommerceError as error:
        logger.warning("%s: %s", store.slug, error)
        return
    if care.problems:
        enqueue_sync(store_id)


def enqueue_repair(store_id: int) -> None:
    async_task("crm.woocommerce.tasks.repair_webhooks", store_id, task_name=f"webhooks {store_id}")


def enqueue_check(store_id: int) -> None:
    async_task("crm.woocommerce.tasks.check_connection", store_id, task_name=f"check {store_id}")


def check_connection(store_id: int) -> None:
    """Check a connection that staff have asked about. The first check that works connects the shop, webhooks included."""
    store = Store.objects.get(pk=store_id)
    is_first = store.connected_at is None
    if connect.check_and_note(store).is_ok and is_first and webhook_care.is_reachable(store):
        repair_webhooks(store_id)
