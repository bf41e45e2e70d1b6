"""What the numbers of an account stand for: whole points, or the smallest units of a currency."""

from decimal import Decimal

from crm.stores import formats

from .models import Account
from .posting import MOST_POINTS

# Decimals of the currencies that do not have two, by ISO 4217. Balances are counted in them: another table, even a better one, would
# change what everybody has.
DECIMALS = dict.fromkeys(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ],
    0,
) | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)


def smallest(amount: Decimal, currency: str) -> int:
    """12.34 EUR are 1234 cents, 500 JPY are 500.

    Raises ValueError for a fraction of the smallest unit, for more than an entry can hold, and for what is no number.
    """
    units = amount.scaleb(DECIMALS.get(currency, 2)) if amount.is_finite() else amount
    if not units.is_finite() or abs(units) > MOST_POINTS or units != units.to_integral_value():
        raise ValueError(f"{amount} {currency} is no amount that can be paid")
    return int(units)


def money(units: int, currency: str) -> Decimal:
    """1234 cents are 12.34, with the currency's own decimals."""
    return Decimal(units).scaleb(-DECIMALS.get(currency, 2))


def shown(units: int, unit: str) -> str:
    """`1,240` points, or `₹12.40` of an account of money; what an account got by an entry may have a minus."""
    return formats.number(units) if unit == Account.Unit.POINTS else formats.money(money(units, unit), unit)
