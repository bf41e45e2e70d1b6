"""What the merchant must hear of: opened by the first sign, told once, closed when it is over."""

from datetime import datetime, timedelta

from django.db import transaction

from crm.events import recording
from crm.stores.models import Store

from .models import Incident

Kind = Incident.Kind
# A shop that does not answer for a while is none of the merchant's business; it is tried again by itself.
PATIENCE = timedelta(hours=1)
# Webhooks that were repaired twice a day have one cause.
QUIET = timedelta(days=1)


@transaction.atomic
def sync_failed(store: Store, message: str, at: datetime, *, permanent: bool) -> Incident:
    """A sync ended with an error: told at once when only people can mend it, else when it has lasted for an hour."""
    incident = _seen(store, Kind.SYNC, message, at)
    if incident.told_at is None and (permanent or at - incident.opened_at >= PATIENCE):
        _tell(incident, "sync.failed", at)
    return incident


@transaction.atomic
def sync_worked(store: Store, at: datetime) -> None:
    """A sync came to its end: whatever kept others from it is over."""
    incident = Incident.objects.select_for_update().for_store(store).open().filter(kind=Kind.SYNC).first()
    if incident is None:
        return
    _close(incident, at)
    if incident.told_at:
        recording.record("sync.recovered", store, incident.pk, data={"message": incident.message}, occurred_at=at)


@transaction.atomic
def writes_refused(store: Store, message: str, at: datetime) -> Incident:
    """The keys may read and not write. Told at once: only people can mend it, and what customers were promised waits."""
    return _seen_and_told(store, Kind.WRITES, "writes.refused", message, at)


def writes_work(store: Store, at: datetime) -> None:
    for incident in Incident.objects.for_store(store).open().filter(kind=Kind.WRITES):
        _close(incident, at)


@transaction.atomic
def webhooks_repaired(store: Store, message: str, at: datetime) -> Incident:
    return _seen_and_told(store, Kind.WEBHOOKS, "webhooks.repaired", message, at)


def webhooks_are_well(store: Store, at: datetime) -> None:
    """All webhooks are as they should be; after a day of that the incident is over."""
    for incident in Incident.objects.for_store(store).open().filter(kind=Kind.WEBHOOKS, last_seen_at__lt=at - QUIET):
        _close(incident, at)


def _seen(store, kind, message, at) -> Incident:
    incident, is_new = Incident.objects.select_for_update().get_or_create(
        store_id=store.pk,
        kind=kind,
        closed_at=None,
        defaults={"message": message, "opened_at": at, "last_seen_at": at},
    )
    if not is_new:
        incident.message, incident.last_seen_at = message, at
        incident.save(update_fields=["message", "last_seen_at"])
    return incident


def _seen_and_told(store, kind, event, message, at) -> Incident:
    incident = _seen(store, kind, message, at)
    if incident.told_at is None:
        _tell(incident, event, at)
    return incident


def _tell(incident, event, at):
    incident.told_at = at
    incident.save(update_fields=["told_at"])
    recording.record(event, incident.store, incident.pk, data={"message": incident.message}, occurred_at=at)


def _close(incident, at):
    incident.closed_at = at
    incident.save(update_fields=["closed_at"])
