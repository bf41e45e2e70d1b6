"""Store credit becomes a coupon of the shop, for exactly so much money and for this customer alone.

As with rewards (`redeeming`), the money, the row and the owed write into the shop are one transaction, and `redemptions` says what
becomes of it. WooCommerce spends a coupon whole, so what an order does not use comes back once it is paid.
"""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.core import signing
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores.models import Store

from . import codes, credit, ledger, programs, units
from .accounts import lock_all
from .models import Redemption
from .redeeming import BadToken, CannotRedeem, NotEnough, key_of, last_of, no_address, owe_code, require_unfrozen

KIND = "credit"
# Where no programme says otherwise. Until the end of the day; then what was not used is credit again.
VALID_DAYS = 90
_SALT = "postpurchase.credit"
_TOKEN_AGE = timedelta(days=1)


class BadAmount(CannotRedeem):
    """No money that can be paid."""


def token(store: Store, customer: Customer) -> str:
    """For one form, of this customer alone, and what codes there were when it was shown: two tabs make one code of an amount."""
    codes_made = Redemption.objects.for_store(store).filter(account__unit=store.currency)
    return signing.dumps([store.pk, customer.pk, last_of(codes_made, customer)], salt=_SALT)


def spend_by_token(store: Store, customer: Customer, amount: Decimal, token: str, at: datetime) -> Redemption:
    """What a form of the portal asks for. Raises CannotRedeem."""
    try:
        store_id, customer_id, last = signing.loads(token, salt=_SALT, max_age=_TOKEN_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        store_id = customer_id = last = None
    if (store_id, customer_id) != (store.pk, customer.pk):
        raise BadToken(_("This page has been open for too long or is not yours. Please try again."))
    return spend(store, customer, amount, key=key_of(KIND, store_id, customer_id, last, _plain(amount)), at=at)


def _plain(amount: Decimal) -> str:
    """`5`, `5.0` and `5.00` are one amount."""
    return f"{amount.normalize():f}" if amount.is_finite() else ""


@transaction.atomic
def spend(
    store: Store, customer: Customer, amount: Decimal, *, key: uuid.UUID, at: datetime | None = None
) -> Redemption:
    """Turn so much credit of the store's currency into a code. The same key again answers the code there is.

    Raises CannotRedeem, with nothing changed.
    """
    at = at or now()
    customer, currency = customer.person, store.currency
    account = credit.account_of(store, customer)
    # Whoever else spends of this account waits here, the second click of a double click among them.
    account = lock_all(store, [customer.pk])[customer.pk, currency]
    if done := Redemption.objects.for_store(store).filter(key=key).first():
        if done.account_id != account.pk:
            raise BadToken(_("This page has been open for too long or is not yours. Please try again."))
        return done
    require_unfrozen(store, customer)
    try:
        count = units.smallest(amount, currency)
    except ValueError as error:
        raise BadAmount(_("Please type an amount of money.")) from error
    if not 0 < count <= ledger.MOST_POINTS:
        raise BadAmount(_("Please type an amount of money."))
    if count > account.balance:
        raise NotEnough(_("You have credit of %(balance)s.") % {"balance": units.shown(account.balance, currency)})
    if not customer.email:
        raise no_address()
    program = programs.of(store)
    days = program.credit_code_days if program else VALID_DAYS
    redemption = Redemption.objects.create(
        store=store, account=account, key=key, terms=_terms(count, currency, days), code=codes.new_code(store),
        expires_at=codes.last_moment(days, store, at), created_at=at,
    )  # fmt: skip
    rule = {"why": "code", "code": redemption.code, "unit": currency}
    redemption.entry = ledger.redeem(account, count, codes.cause(redemption), rule=rule, at=at)
    owe_code(redemption, customer, at)
    redemption.save(update_fields=["entry"])
    return redemption


def _terms(count: int, currency: str, days: int) -> dict:
    """As a reward's, so that a code is a code. `points` are of the currency's smallest unit."""
    return {
        "kind": KIND,
        "name": "",
        "amount": f"{units.money(count, currency):f}",
        "currency": currency,
        "points": count,
        "minimum_order": None,
        "individual_use": False,
        "valid_days": days,
        "returns_expired": True,
        "returns_refunded": True,
    }
