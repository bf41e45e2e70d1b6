"""Send claimed messages: gate, words, hand over, settle. No transaction is open while the mail server is spoken to."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import prefetch_related_objects

from crm.events import recording
from crm.work import drain
from crm.work.models import DueWork

from . import compose, gate
from .delivery import Mailer, OutcomeUnknown, Refused, Unreachable
from .models import Message

logger = logging.getLogger(__name__)
Outcome = Message.Outcome

UNKNOWN = (
    "No answer came after the mail was handed over: it may or may not have arrived. It is not sent again by itself."
)


def send(rows: list[Message], at: datetime) -> None:
    """Send a claimed batch over one connection; each row is settled on its own."""
    prefetch_related_objects(rows, "store", "customer", "order__customer", "order__line_items__product")
    with Mailer() as mailer:
        down = None
        for row in rows:
            try:
                if down is not None:
                    _refuse(row, down, at)
                else:
                    _send(row, mailer, at)
            except Unreachable as error:
                down = error
                _refuse(row, error, at)
            except Refused as error:
                _refuse(row, error, at)
            except drain.LeaseLost:
                logger.warning("message %s: lost the lease", row.pk)
            except Exception as error:
                _refuse(row, error, at)


def _send(row, mailer, at):
    if row.handed_over_at is not None:
        # The process that had it died between handing it over and noting the answer.
        _settle(row, at, outcome=Outcome.UNKNOWN, error=UNKNOWN)
        return
    if reason := gate.closed(row, at):
        _settle(row, at, outcome=Outcome.SKIPPED, skip_reason=reason)
        return
    email = compose.email(row)
    mailer.open()
    _hand_over(row, at)
    try:
        provider_id = mailer.deliver(email)
    except OutcomeUnknown as error:
        _settle(row, at, outcome=Outcome.UNKNOWN, error=f"{UNKNOWN}\n{error}", **_as_sent(email))
        return
    with transaction.atomic():
        _settle(row, at, outcome=Outcome.SENT, sent_at=at, provider_id=provider_id[:300], **_as_sent(email))
        recording.record(
            "message.sent",
            row.store,
            row.pk,
            customer=row.customer,
            order=row.order,
            data={"kind": row.kind, "recipient": row.recipient},
            occurred_at=at,
        )


def _hand_over(row, at):
    """Note durably that this mail is about to leave; only the holder of the claim gets past here, and only once."""
    mine = Message.objects.filter(
        pk=row.pk, state=DueWork.State.RUNNING, attempts=row.attempts, handed_over_at=None
    ).update(handed_over_at=at)
    if not mine:
        raise drain.LeaseLost


@transaction.atomic
def _settle(row, at, **values):
    drain.settle([row], at)
    Message.objects.filter(pk=row.pk).update(**values)


@transaction.atomic
def _refuse(row, error, at):
    """Later again, or parked when that is hopeless."""
    permanent = getattr(error, "permanent", False)
    drain.fail(row, f"{error}" if isinstance(error, Refused) else error, at, permanent=permanent)
    # Any other error may have come after the mail had left, when noting that failed; then the next claim finds it unknown.
    changed = {"handed_over_at": None} if isinstance(error, Refused) else {}
    if permanent or row.attempts >= row.MAX_ATTEMPTS:
        changed["outcome"] = Outcome.FAILED
    if changed:
        # Not of a row that another process has meanwhile.
        Message.objects.filter(pk=row.pk, attempts=row.attempts).exclude(state=DueWork.State.RUNNING).update(**changed)


def _as_sent(email):
    return {"subject": email.subject, "text": email.body, "html": email.alternatives[0][0]}
