"""The programme a store begins with, and its pause."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from crm.stores.models import Store

from .models import Program

# Money that buys about what €1 does, for currencies where that is far from one unit.
UNITS = {
    "AED": 5, "ARS": 1000, "BDT": 100, "BRL": 5, "CLP": 1000, "CNY": 10, "COP": 5000, "CZK": 25, "DKK": 10, "EGP": 50,
    "HKD": 10, "HUF": 500, "IDR": 10000, "ILS": 5, "INR": 10, "ISK": 100, "JPY": 100, "KES": 100, "KRW": 1000, "LKR": 100,
    "MXN": 10, "MYR": 5, "NGN": 1000, "NOK": 10, "NPR": 100, "PHP": 50, "PKR": 100, "PLN": 5, "RUB": 100, "SAR": 5,
    "SEK": 10, "THB": 50, "TRY": 50, "TWD": 50, "UAH": 50, "VND": 10000, "ZAR": 10,
}  # fmt: skip


# What a new programme begins with. Orders can be sent back for about so long; and so many points, worth about €50, are more than a
# mistake or a kindness, and not yet a theft.
SAFE = {"pending_days": 14, "adjust_limit": 5000}


def defaults(currency: str) -> dict[str, Any]:
    """One point for about €1 of purchase, worth a hundredth of it: ₹10 earn a point, and a point is ₹0.10. With protections on."""
    unit = Decimal(UNITS.get(currency, 1))
    return SAFE | {"rate": 1 / unit, "point_value": unit / 100}


def open_program(store: Store) -> Program:
    """The store's programme; one with the defaults of its currency if it has none."""
    program, _created = Program.objects.get_or_create(
        store=store, defaults=defaults(store.currency) | {"starts_at": store.announce_from}
    )
    return program


def of(store: Store) -> Program | None:
    """The store's programme, with the store itself at hand."""
    program = Program.objects.for_store(store).first()
    if program is not None:
        program.store = store
    return program


def switch(program: Program, on: bool, at: datetime) -> bool:
    """Pause the programme, or let it go on from `at`; returns whether that changed anything."""
    since = going_on(at) if on else {}
    changed = Program.objects.filter(pk=program.pk, active=not on).update(active=on, **since)
    program.refresh_from_db(fields=["active", "starts_at", "expiry_since"])
    return bool(changed)


def going_on(at: datetime) -> dict[str, datetime]:
    """What changes, beside `active`, of a programme that goes on after a pause.

    What was paid during the pause was not promised any points. What expired meanwhile could not be spent, and nobody was told.
    """
    return {"starts_at": at, "expiry_since": at}
