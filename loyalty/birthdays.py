"""A gift on a customer's birthday, once a year. Day and month are all that is known of it."""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F

from crm.messaging import outbox
from crm.orders.models import Customer
from crm.stores import formats
from crm.stores.models import Store

from . import ledger, members, occasions
from .days import falls_on, years_later
from .ledger import Kind, Posting
from .models import Birthday, LedgerEntry, Occasion, Program

MAIL = "birthday"
# Who enters a birthday waits so long for the first gift: nobody's birthday is always tomorrow.
KNOWN_FOR = timedelta(days=30)
# How late a gift may still come, when no worker ran on the day.
LATEST = 30
# A leap year: each day that is a birthday is in it.
_LEAP = 2024


class TooSoon(Exception):
    """It was changed within the last twelve months; `on` is the day from which it may be changed again."""

    def __init__(self, on: date):
        super().__init__(f"not before {on}")
        self.on = on


@transaction.atomic
def enter(store: Store, customer: Customer, month: int, day: int, at: datetime) -> Birthday:
    """Note a customer's birthday; it may be changed once in twelve months. Raises TooSoon, and ValueError for a day that is in no year."""
    date(_LEAP, month, day)
    customer = Customer.objects.select_for_update(no_key=True, of=("self",)).get(pk=customer.person_id)
    row = Birthday.objects.filter(customer=customer).first()
    if row is None:
        return Birthday.objects.create(store=store, customer=customer, month=month, day=day, set_at=at)
    if (row.month, row.day) == (month, day):
        return row
    free = changeable_from(row, store)
    if at.astimezone(store.zone).date() < free:
        raise TooSoon(free)
    row.month, row.day, row.set_at = month, day, at
    row.save(update_fields=["month", "day", "set_at"])
    return row


def changeable_from(row: Birthday, store: Store) -> date:
    """A year after it was entered."""
    entered = row.set_at.astimezone(store.zone).date()
    return years_later(entered, 1)


def next_gift(row: Birthday, store: Store, at: datetime) -> date:
    """The next birthday that has a gift."""
    today = at.astimezone(store.zone).date()
    earliest = max(today, (row.set_at + KNOWN_FOR).astimezone(store.zone).date())
    day = falls_on(row.month, row.day, earliest.year)
    return day if day >= earliest else falls_on(row.month, row.day, earliest.year + 1)


@transaction.atomic
def give(store: Store, at: datetime) -> int:
    """Post the gifts of the birthdays of the last days that have none yet; returns how many. A year's gift is given once."""
    program = Program.objects.for_store(store).select_related("store").first()
    points = occasions.points_for(store, Occasion.Kind.BIRTHDAY)
    if program is None or not points:
        return 0
    today = at.astimezone(store.zone).date()
    days = [today - timedelta(days=back) for back in range(LATEST)]
    rows = Birthday.objects.annotate(key=F("month") * 100 + F("day"))
    rows = rows.filter(store=store, customer__joined_to=None, key__in=_keys(days))
    rows = rows.filter(members.taking_part(program, "customer_id")).select_related("customer").order_by("customer_id")
    causes = {row.customer: _cause(row, store, today) for row in rows}
    gifts = LedgerEntry.objects.for_store(store).filter(
        kind=Kind.EARN, cause__in={cause for cause in causes.values() if cause}
    )
    had = set(occasions.of_owners(gifts, [customer.pk for customer in causes], "cause"))
    owed = {customer: cause for customer, cause in causes.items() if cause and (customer.pk, cause) not in had}
    ledger.open_accounts(store, [customer.pk for customer in owed])
    accounts = ledger.lock(store, [customer.pk for customer in owed])
    entries = ledger.post_many(
        Posting(accounts[customer.pk].pk, Kind.EARN, points, cause, rule={"why": "birthday"})
        for customer, cause in owed.items()
    )
    by_account = {accounts[customer.pk].pk: customer for customer in owed}
    drafts = [
        outbox.Draft(entry.cause, customer=by_account[entry.account_id], context={"points": entry.points}, at=at)
        for entry in entries
    ]
    outbox.queue_many(store, MAIL, drafts)
    return len(entries)


def _keys(days) -> set[int]:
    """Month and day of all who have their birthday on one of these days, as 229 for the 29th of February."""
    keys = {100 * day.month + day.day for day in days}
    return keys | {229} if any(day == falls_on(2, 29, day.year) for day in days) else keys


def _cause(row, store, today) -> str | None:
    """The cause of the gift of the last birthday, if it was known early enough."""
    day = falls_on(row.month, row.day, today.year)
    if day > today:
        day = falls_on(row.month, row.day, today.year - 1)
    known = (row.set_at + KNOWN_FOR).astimezone(store.zone).date()
    return f"birthday:{day.year}" if known <= day else None


def merge(guest_id: int, customer_id: int) -> None:
    """A guest turned out to be a registered customer: the customer's own day counts, else the guest's."""
    if Birthday.objects.filter(customer=customer_id).exists():
        Birthday.objects.filter(customer=guest_id).delete()
    else:
        Birthday.objects.filter(customer=guest_id).update(customer=customer_id)


def words(row: Birthday) -> str:
    """`29 Feb`, as the reader writes it."""
    return formats.short_day(date(_LEAP, row.month, row.day))
