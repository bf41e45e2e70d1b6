"""What the numbers of an account stand for: whole points, or the smallest units of a currency."""

from decimal import Decimal

from babel.numbers import get_currency_precision

from crm.stores import formats

from .models import Account


def smallest(amount: Decimal, currency: str) -> int:
    """12.34 EUR are 1234 cents, 500 JPY are 500. Raises ValueError for a fraction of the smallest unit, and for what is no number."""
    units = amount.scaleb(get_currency_precision(currency)) if amount.is_finite() else amount
    if not units.is_finite() or units != units.to_integral_value():
        raise ValueError(f"{amount} {currency} is no amount that can be paid")
    return int(units)


def money(units: int, currency: str) -> Decimal:
    """1234 cents are 12.34, with the currency's own decimals."""
    return Decimal(units).scaleb(-get_currency_precision(currency))


def shown(units: int, unit: str) -> str:
    """`1,240` points, or `₹12.40` of an account of money; what an account got by an entry may have a minus."""
    return formats.number(units) if unit == Account.Unit.POINTS else formats.money(money(units, unit), unit)
