"""The only code that writes Consent rows."""

from datetime import datetime

from django.utils import timezone

from crm.stores.models import Store

from .kinds import Purpose
from .models import Consent


def is_given(store: Store | int, email: str, purpose: str = Purpose.MARKETING) -> bool:
    """Whether the last word of this address was yes; silence is no."""
    latest = Consent.objects.latest_of(store, email, purpose)
    return latest is not None and latest.given


def is_refused(store: Store | int, email: str, purpose: str) -> bool:
    """Whether the last word of this address was no; silence is not."""
    latest = Consent.objects.latest_of(store, email, purpose)
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


def _say(store, email, purpose, given, source, proof, at):
    latest = Consent.objects.latest_of(store, email, purpose)
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
