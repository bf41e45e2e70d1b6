import logging
from itertools import islice

from django.utils import timezone

from . import (
    asking,
    birthdays,
    clearing,
    expiry,
    gifts,
    importing,
    join_links,
    members,
    profiles,
    proof,
    redemptions,
    referrals,
    tiers,
    usable,
)
from .models import Program

logger = logging.getLogger(__name__)


class LedgerBroken(Exception):
    pass


def prove() -> None:
    """Once a day: an error that staff see on the jobs page, if the ledger does not add up."""
    if found := list(islice(proof.differences(), 10)):
        raise LedgerBroken("; ".join(found))


def release() -> None:
    """Let pending points be spent whose day has come."""
    _in_each_store(usable.release)


def each_hour() -> None:
    """What is due by a store's own clock: gifts, rewards for friends, points of those who left, codes whose day has passed, gifts that did not arrive."""
    asking.forget(timezone.now())
    join_links.forget(timezone.now())
    _in_each_store(
        birthdays.give,
        profiles.reward,
        referrals.reward,
        members.drop_points,
        redemptions.expire,
        gifts.tell_undelivered,
    )


def each_night() -> None:
    """What looks at all members of a store: years of tiers, and points that expire. And what is tidied up."""
    _in_each_store(tiers.nightly, expiry.run, referrals.tidy, importing.nightly, clearing.clear)


def _in_each_store(*passes) -> None:
    """Call each pass with (store, at) for every store with a programme; one that fails does not keep the others from theirs."""
    at, failed = timezone.now(), None
    for program in Program.objects.select_related("store").order_by("pk"):
        for work in passes:
            try:
                work(program.store, at)
            except Exception as error:
                logger.exception("%s of %s", work.__qualname__, program.store)
                failed = error
    if failed:
        raise failed
