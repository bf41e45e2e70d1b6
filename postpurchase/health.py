"""What a load balancer, a container's health check and an alarm ask for. Nothing here names a shop or a person."""

import functools

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from crm.stores.models import Store
from crm.woocommerce.models import SyncState
from crm.work.models import Heartbeat, ScheduleRun

OLDEST_BEAT = 3 * 60  # seconds
# The shops are asked every few minutes.
OLDEST_POLL = 15 * 60
POLL = "poll the shops"


class NotReady(Exception):
    pass


@never_cache
@require_safe
def healthz(request):
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request):
    """Everything works together: 200, or 503 with what does not. The answer says it check by check."""
    checks = {}
    for check in (database, migrations, worker, sync):
        try:
            checks[check.__name__] = {"ok": True, "detail": check()}
        except NotReady as error:
            checks[check.__name__] = {"ok": False, "detail": str(error)}
        except DatabaseError:
            # Its text may hold the address of the database.
            checks[check.__name__] = {"ok": False, "detail": "the database does not answer"}
            break
    ready = all(result["ok"] for result in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "answers"


def migrations() -> str:
    missing = wanted_migrations() - MigrationRecorder(connection).applied_migrations().keys()
    if missing:
        raise NotReady(f"{len(missing)} migrations are not applied")
    return "applied"


@functools.cache
def wanted_migrations() -> frozenset[tuple[str, str]]:
    """Names of this version's migrations; reading them takes a while, and they don't change while a process runs."""
    return frozenset(MigrationLoader(None).disk_migrations)


def worker() -> str:
    beat = Heartbeat.objects.filter(name="queue").first()
    if beat is None:
        raise NotReady("no worker has ever run")
    age = _age(beat.beat_at)
    if age > OLDEST_BEAT:
        raise NotReady(f"no worker has given a sign of life for {age} s")
    return f"alive {age} s ago"


def sync() -> str:
    """Whether the shops are asked for news. That one of them does not answer makes nothing here less ready."""
    if not Store.objects.connected().exists():
        return "no shop is connected"
    poll = ScheduleRun.objects.filter(name=POLL).first()
    if poll and _age(poll.started_at) > OLDEST_POLL:
        raise NotReady(f"the shops were asked for news {_age(poll.started_at)} s ago")
    # Not the cursor, which is the newest change: a shop that sells nothing for a day is not behind.
    walks = SyncState.objects.filter(resource="orders", store__in=Store.objects.connected())
    oldest = walks.exclude(finished_at=None).order_by("finished_at").values_list("finished_at", flat=True).first()
    return (
        "no import has ended yet"
        if oldest is None
        else f"every shop's orders were looked through in the last {_age(oldest)} s"
    )


def _age(moment) -> int:
    return round((timezone.now() - moment).total_seconds())
