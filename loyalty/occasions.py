"""Points for something else than buying: for joining, for a review (whatever it says), for an answer to our questions, and so on.

Which of them are given at all, and how much, is said by the store's `Occasion` rows. The cause of an entry names the fact, so that the same
fact gives points once, however often its event comes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from crm.orders.models import Customer
from crm.stores.models import Store

from . import ledger, members
from .ledger import Kind as EntryKind
from .ledger import Posting
from .models import LedgerEntry, Occasion, Program, RuleVersion

Kind = Occasion.Kind
# What is rewarded here, and how a fact is named in an entry's cause.
PREFIXES: dict[str, str] = {
    Kind.SIGN_UP: "sign-up", Kind.REVIEW: "review", Kind.SURVEY: "survey", Kind.PROFILE: "profile", Kind.SOCIAL_SHARE: "share",
}  # fmt: skip
# Birthdays have a page of their own, and rules of their own.
OFFERED = [*PREFIXES, Kind.BIRTHDAY]


@dataclass(frozen=True)
class Fact:
    """Something that a customer did: `key` makes it one within its kind."""

    customer_id: int
    key: str
    at: datetime


def offered() -> list[Occasion.Kind]:
    """The occasions that something in the product gives points for."""
    return [kind for kind in Kind if kind in OFFERED]


def active(store: Store) -> list[Occasion]:
    """A store's occasions that are switched on, while its programme is."""
    if not Program.objects.for_store(store).filter(active=True).exists():
        return []
    return [
        occasion
        for occasion in Occasion.objects.for_store(store).filter(active=True).order_by("kind")
        if occasion.kind in OFFERED
    ]


def points_for(store: Store, kind: str) -> int:
    """What an occasion is worth at present; 0 where the store gives nothing."""
    return next((occasion.points for occasion in active(store) if occasion.kind == kind), 0)


def cause(kind: str, key: str) -> str:
    """Names a fact in the ledger."""
    return f"{PREFIXES[kind]}:{key}"


@transaction.atomic
def award(store: Store, kind: str, facts: Iterable[Fact]) -> list[LedgerEntry]:
    """Give the store's points for these facts; returns the new entries. A constant number of statements.

    What happened before the programme began earns nothing, nor what is more than the occasion's times a month, nor who takes no part.
    """
    facts = list(facts)
    occasion = next((occasion for occasion in active(store) if occasion.kind == kind), None)
    if occasion is None or not facts:
        return []
    program = Program.objects.get(store=store)
    owners = _owners(program, {fact.customer_id for fact in facts})
    facts = [fact for fact in facts if fact.at >= program.starts_at and fact.customer_id in owners]
    ledger.open_accounts(store, {owners[fact.customer_id] for fact in facts})
    accounts = ledger.lock(store, {owners[fact.customer_id] for fact in facts})
    # Asked under the lock, and of the guests that were joined to a customer, too.
    done = _done(store, kind, owners.values())
    months = _Months(store, occasion, done)
    version = RuleVersion.objects.get(of=RuleVersion.Of.OCCASION, object_id=occasion.pk, valid_until=None)
    postings = []
    for fact in facts:
        owner = owners[fact.customer_id]
        name = cause(kind, fact.key)
        if name in {name for name, _at in done[owner]} or not months.take(owner, fact.at):
            continue
        done[owner].append((name, fact.at))
        rule = {"occasion": kind, "points": occasion.points, "version": version.pk, "at": fact.at.isoformat()}
        postings.append(Posting(accounts[owner].pk, EntryKind.EARN, occasion.points, name, rule=rule))
    return ledger.post_many(postings)


def _owners(program, customer_ids) -> dict[int, int]:
    """The customer who has each one's points, of those who take part."""
    rows = Customer.objects.for_store(program.store_id).filter(pk__in=customer_ids)
    rows = rows.annotate(owner=Coalesce("joined_to_id", "pk")).filter(members.taking_part(program, "owner"))
    return dict(rows.values_list("pk", "owner"))


def _done(store, kind, owners) -> dict[int, list[tuple[str, datetime]]]:
    """Cause and time of each of the kind's entries, by the customer who has the points now."""
    done: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    entries = LedgerEntry.objects.for_store(store).filter(kind=EntryKind.EARN, cause__startswith=cause(kind, ""))
    for owner, name, at in of_owners(entries, owners, "cause", "rule__at"):
        done[owner].append((name, datetime.fromisoformat(at)))
    return done


def of_owners(entries: QuerySet[LedgerEntry], owners: Iterable[int], *columns: str) -> Iterator[tuple]:
    """(owner, *columns) of the entries of these customers and of the guests that were joined to them.

    A guest's entries stay with the guest's account when the points move on: whoever asks what somebody had once must ask for both.
    """
    for path in ("account__customer", "account__customer__joined_to"):
        yield from entries.filter(**{f"{path}__in": set(owners)}).values_list(path, *columns)


class _Months:
    """How often an occasion was rewarded in each month of the shop's calendar."""

    def __init__(self, store, occasion, done):
        self.most, self.zone = occasion.per_month, ZoneInfo(store.timezone)
        self.times: dict[tuple[int, int, int], int] = defaultdict(int)
        for owner, facts in done.items():
            for _cause, at in facts:
                self.times[self._month(owner, at)] += 1

    def take(self, owner, at) -> bool:
        month = self._month(owner, at)
        if self.most is not None and self.times[month] >= self.most:
            return False
        self.times[month] += 1
        return True

    def _month(self, owner, at):
        day = at.astimezone(self.zone)
        return owner, day.year, day.month
