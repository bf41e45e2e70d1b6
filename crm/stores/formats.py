"""Money, dates and names as the people of any country write them."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta, get_day_names
from babel.numbers import format_currency, format_decimal, get_currency_precision
from django.utils import translation

# Babel's data groups mr_IN as 1,234,567; people in India group as 12,34,567.
_INDIAN_GROUPING = {"mr": "#,##,##0.00", "hi": "#,##,##0.00"}


def locale(language: str | None = None) -> Locale:
    """Babel's locale of a language code, of the active language if none is given; English if unknown."""
    try:
        return Locale.parse((language or translation.get_language() or "en").replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale("en")


def money(amount: Decimal | str | int, currency: str, language: str | None = None) -> str:
    """`₹1,29,900.00`, `€12.40`, `¥500`: the currency's own decimals; an unknown currency is shown by its code.

    Where people use no decimals but the shop charges some, they are shown: `RSD 12.50`.
    """
    where = locale(language)
    amount = Decimal(amount)
    if where.language == "en" and currency == "INR":
        where = Locale("en", "IN")
    pattern = f"¤{_INDIAN_GROUPING[where.language]}" if where.language in _INDIAN_GROUPING else None
    if currency.upper() not in get_global("all_currencies"):
        return f"{currency} {format_decimal(amount, locale=where, decimal_quantization=False)}".strip()
    usual = amount == amount.to_integral_value() or get_currency_precision(currency.upper()) > 0
    return format_currency(amount, currency.upper(), pattern, locale=where, currency_digits=usual)


def number(value: int | Decimal, language: str | None = None) -> str:
    """`1,240`, grouped as the language groups."""
    where = locale(language)
    pattern = "#,##,##0.###" if where.language in _INDIAN_GROUPING else None
    return format_decimal(value, pattern, locale=where)


def day(value: datetime | date, zone: str = "UTC", language: str | None = None) -> str:
    """`Mon, 16 June 2026` in the reader's order and words; datetimes are shown in the zone."""
    if isinstance(value, datetime):
        value = value.astimezone(ZoneInfo(zone)).date()
    where = locale(language)
    if where.language == "en" and not where.territory:
        where = Locale("en", "GB")
    return format_date(value, "EEE, d MMMM y", locale=where)


def moment(value: datetime, zone: str = "UTC", language: str | None = None) -> str:
    """`16 June 2026, 14:05` in the zone, in the language."""
    where = locale(language)
    if where.language == "en" and not where.territory:
        where = Locale("en", "GB")
    return format_datetime(value, "d MMMM y, HH:mm", tzinfo=ZoneInfo(zone), locale=where)


def short_day(value: datetime | date, zone: str = "UTC", language: str | None = None) -> str:
    """`16 June`, where there is little room; datetimes are shown in the zone."""
    if isinstance(value, datetime):
        value = value.astimezone(ZoneInfo(zone)).date()
    where = locale(language)
    if where.language == "en" and not where.territory:
        where = Locale("en", "GB")
    return format_skeleton("MMMd", value, locale=where)


def month(value: date, language: str | None = None) -> str:
    """`Nov 2026`."""
    return format_skeleton("yMMM", value, locale=locale(language))


def duration(value: timedelta, language: str | None = None) -> str:
    """`4 minutes`, `2 hours`: in the largest unit that is filled."""
    return format_timedelta(value, threshold=1.0, locale=locale(language))


def weekday(number: int, language: str | None = None) -> str:
    """`Monday` for 0."""
    return get_day_names(locale=locale(language))[number]
