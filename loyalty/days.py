"""Days, months and years as a store's calendar has them."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

from crm.stores.models import Store


def midnight(store: Store, day: date) -> datetime:
    """The moment at which the day begins by the store's clock."""
    return datetime.combine(day, time(), store.zone)


def end_of(store: Store, day: date) -> datetime:
    """The first moment after the day."""
    return midnight(store, day + timedelta(days=1))


def months_later(day: date, months: int) -> date:
    """So many months after (or before), on the last day of a month that is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def years_later(day: date, years: int) -> date:
    return falls_on(day.month, day.day, day.year + years)


def falls_on(month: int, day: int, year: int) -> date:
    """The day in a year; the 29th of February is the 1st of March in a year that has none."""
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, 3, 1)
