"""The only code that writes Consent rows."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crm.stores.models import Store

from . import mailboxes
from .kinds import Purpose
from .models import Consent, ConsentQuerySet

# What others can have sent to somebody whom the shop never met. A no to it is the person's, however the address is written, and outlives their
# erasure: who asks to be forgotten does not ask for mails.
BY_MAILBOX = frozenset({Purpose.GIFT})
# So begins what stands in the place of an address that was erased.
MARK = "erased:"


def is_given(store: Store | int, email: str, purpose: str = Purpose.MARKETING) -> bool:
    """Whether the last word of this address was yes; silence is no."""
    latest = _said(store, email, purpose).first()
    return latest is not None and latest.given


def is_refused(store: Store | int, email: str, purpose: str) -> bool:
    """Whether the last word of this address was no; silence is not."""
    latest = _said(store, email, purpose).first()
    return latest is not None and not latest.given


def give(
    store: Store,
    email: str,
    *,
    source: str,
    purpose: str = Purpose.MARKETING,
    proof: dict | None = None,
    at: datetime | None = None,
) -> Consent | None:
    """Note a yes to a purpose; None if it was given already. `proof` says what was read and where."""
    return _say(store, email, purpose, True, source, proof, at)


def withdraw(
    store: Store,
    email: str,
    *,
    source: str,
    purpose: str = Purpose.MARKETING,
    proof: dict | None = None,
    at: datetime | None = None,
) -> Consent | None:
    """Note a no to a purpose; None if the last word was no already. A no is noted where nothing was said before."""
    return _say(store, email, purpose, False, source, proof, at)


def erase(store: Store, emails: Iterable[str]) -> int:
    """Forget what these addresses said; returns how many rows knew them. Of a no that has to be honoured yet, a mark stays that leads to nobody."""
    emails, marks, known = sorted(emails), [], Q(email__in=emails)
    for purpose in BY_MAILBOX:
        for email in emails:
            said = _said(store, email, purpose)
            latest = said.first()
            if latest is None or latest.email.startswith(MARK):
                continue
            if not latest.given:
                mark = _marks(store.pk, email)[0]
                marks.append(
                    Consent(store=store, email=mark, purpose=purpose, given=False, at=latest.at, source="erased")
                )
            known |= Q(pk__in=list(said.values_list("pk", flat=True)))
    count, _by_table = Consent.objects.for_store(store).filter(known).delete()
    Consent.objects.bulk_create({row.email: row for row in marks}.values())
    return count


def _say(store, email, purpose, given, source, proof, at):
    latest = _said(store, email, purpose).first()
    if latest is not None and latest.given == given:
        return None
    return Consent.objects.create(
        store=store,
        email=email.strip().lower(),
        purpose=purpose,
        given=given,
        source=source,
        proof=proof or {},
        at=at or timezone.now(),
    )


def _said(store: Store | int, email: str, purpose: str) -> ConsentQuerySet:
    """What this address has said of a purpose, the last word first."""
    if purpose not in BY_MAILBOX:
        return Consent.objects.said(store, Q(email=email.strip().lower()), purpose)
    store_id = store if isinstance(store, int) else store.pk
    theirs = Q(email__in=[email.strip().lower(), *_marks(store_id, email)]) | mailboxes.same("email", email)
    return Consent.objects.said(store, theirs, purpose)


def _marks(store_id: int, email: str) -> list[str]:
    """What stands for this mailbox once it is erased, by the key of today first. Nobody can try addresses on it without the key."""
    said = f"{store_id}:{mailboxes.mailbox(email) or email.strip().lower()}"
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [MARK + salted_hmac("postpurchase.consent", said, key, algorithm="sha256").hexdigest() for key in keys]
