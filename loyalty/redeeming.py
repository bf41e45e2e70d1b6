"""Points become a coupon of the shop.

Points, row and the owed write into the shop are one transaction. The shop is asked later, by the outbox; `redemptions` says what becomes
of it.
"""

import json
import uuid
from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores import formats
from crm.stores.models import Store
from crm.woocommerce.pushes.payloads import BadPayload

from . import codes, credit, freezes, gifts, ledger, members, programs, rewards
from .accounts import lock_all
from .models import Account, Redemption, Reward

State = Redemption.State
# What needs nothing of the shop is there at once.
START = {Reward.Kind.STORE_CREDIT: State.GIVEN, Reward.Kind.DONATION: State.GIVEN, Reward.Kind.ACCESS: State.READY}
_SALT = "postpurchase.reward"
_KEYS = uuid.UUID("fa4f4ebe-f50a-4275-9f3b-d358c4c2c803")
# So long a page may stay open before the button on it is pressed.
_TOKEN_AGE = timedelta(days=1)


class CannotRedeem(Exception):
    """The message tells the customer why; nothing was changed."""


class BadToken(CannotRedeem):
    """The form is forged, somebody else's, or too old."""


class Changed(CannotRedeem):
    """The reward is not any more what the customer was shown."""


class NotOffered(CannotRedeem):
    """There is no such reward for this store's customers now."""


class SoldOut(CannotRedeem):
    """None is left."""


class LimitReached(CannotRedeem):
    """The customer has had as many as one may."""


class NotEnough(CannotRedeem):
    """It costs more than there is."""


class OtherTier(CannotRedeem):
    """It is for members of a higher tier."""


class NotAllowed(CannotRedeem):
    """The customer takes no part in the programme."""


class Paused(CannotRedeem):
    """The programme rests; points stay."""


class Frozen(CannotRedeem):
    """Staff check the account; points stay."""


class CannotSend(CannotRedeem):
    """The gift can't be mailed like this."""


class NoAddress(CannotRedeem):
    """The shop could not make the code for this customer alone."""


def token(reward: Reward, customer: Customer, points: int | None = None) -> str:
    """For one form: it names reward, terms, price and customer, and what the customer had taken of the reward when it was shown.

    So the forms of two tabs ask for one redemption, however often they are sent; a page that shows the first one asks for another.
    """
    taken = Redemption.objects.for_store(reward.store_id).filter(reward=reward)
    said = [reward.store_id, customer.pk, reward.pk, last_of(taken, customer), rewards.version(reward), points]
    return signing.dumps(said, salt=_SALT)


def last_of(redemptions: QuerySet[Redemption], customer: Customer) -> int:
    """The newest of them that is the customer's; 0 for none."""
    theirs = redemptions.filter(account__customer=customer.person_id)
    return theirs.aggregate(last=Max("pk"))["last"] or 0


def key_of(*asked) -> uuid.UUID:
    """One key for whoever asks for the same from the same state."""
    return uuid.uuid5(_KEYS, json.dumps(asked))


def redeem_by_token(
    store: Store, customer: Customer, reward_id: int, token: str, at: datetime, gift: gifts.Wish | None = None
) -> Redemption:
    """What a form of the portal asks for. Raises CannotRedeem."""
    try:
        store_id, customer_id, named, last, seen, points = signing.loads(token, salt=_SALT, max_age=_TOKEN_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        store_id = customer_id = named = last = seen = points = None
    if (store_id, customer_id, named) != (store.pk, customer.pk, reward_id):
        raise BadToken(_("This page has been open for too long or is not yours. Please choose the reward again."))
    # Two tabs may well be two gifts, for two people.
    wish = gift or gifts.Wish()
    key = key_of(store_id, customer_id, reward_id, last, points, wish.recipient.strip().lower(), wish.message.strip())
    return redeem(store, customer, reward_id, points=points, key=key, seen=seen, gift=gift, at=at)


@transaction.atomic
def redeem(
    store: Store,
    customer: Customer,
    reward_id: int,
    *,
    key: uuid.UUID,
    points: int | None = None,
    seen: str = "",
    gift: gifts.Wish | None = None,
    at: datetime | None = None,
) -> Redemption:
    """Spend points for a reward and owe the shop its coupon. The same key again answers the redemption there is.

    `points` is what the customer chooses to spend, where that is open; `seen` is `rewards.version` of what the customer agreed to;
    `gift` says whom a gift card is for. Raises CannotRedeem, with nothing changed.
    """
    at = at or now()
    customer = customer.person
    ledger.open_accounts(store, [customer.pk])
    if Reward.objects.for_store(store).filter(pk=reward_id, kind=Reward.Kind.STORE_CREDIT).exists():
        ledger.open_accounts(store, [customer.pk], store.currency)
    # Whoever else spends of this account waits here, the second click of a double click among them.
    account = lock_all(store, [customer.pk])[customer.pk, Account.Unit.POINTS]
    if done := Redemption.objects.for_store(store).filter(key=key).first():
        if (done.account_id, done.reward_id) != (account.pk, reward_id):
            raise BadToken(_("This was used for another reward. Please choose the reward again."))
        return done
    reward = Reward.objects.for_store(store).offered(at).select_related("tier", "product").filter(pk=reward_id).first()
    if reward is None:
        raise NotOffered(_("This reward is not offered at the moment."))
    reward.store = store
    terms = _check(reward, account, customer, points, seen, at)
    redemption = Redemption.objects.create(
        store=store, account=account, reward=reward, key=key, terms=terms,
        code="" if reward.is_codeless else codes.new_code(store),
        state=START.get(reward.kind, State.PENDING),
        expires_at=codes.last_moment(reward.valid_days, store, at), created_at=at,
    )  # fmt: skip
    rule = {"why": "reward", "reward": terms}
    try:
        redemption.entry = ledger.redeem(account, terms["points"], codes.cause(redemption), rule=rule, at=at)
    except ledger.InsufficientPoints as error:
        raise NotEnough(str(error)) from error
    if reward.kind == Reward.Kind.STORE_CREDIT:
        try:
            credit.give(redemption, at)
        except ValueError as error:
            # The store has changed its currency since.
            raise NotOffered(_("This reward is not offered at the moment.")) from error
    if reward.is_gift:
        try:
            gifts.add(redemption, account, customer, gift or gifts.Wish(), at)
        except gifts.CannotSend as error:
            raise CannotSend(str(error)) from error
    if not reward.is_codeless:
        owe_code(redemption, customer, at)
    redemption.save(update_fields=["entry"])
    return redemption


def _check(reward, account, customer, points, seen, at) -> dict:
    """The terms of what is taken; the stock is one less then."""
    program = programs.of(reward.store)
    if program is None:
        raise NotOffered(_("This reward is not offered at the moment."))
    if not program.active:
        raise Paused(_("The points programme is paused. Your points stay yours."))
    require_unfrozen(reward.store, customer)
    try:
        members.require(program, customer)
    except members.NotAMember as error:
        raise NotAllowed(_("Only members can take a reward. Join first; it is free.")) from error
    if not (customer.email or reward.is_codeless or reward.is_gift):
        raise no_address()
    if seen and seen != rewards.version(reward):
        raise Changed(_("The shop has changed this reward since you saw it. Please look at it again."))
    try:
        terms = rewards.agreed(reward, points)
    except rewards.BadChoice as error:
        raise NotOffered(str(error)) from error
    if reward.tier and not rewards.reaches(account, reward.tier):
        raise OtherTier(_("This reward is for members from the tier %(tier)s on.") % {"tier": reward.tier.name})
    if account.balance < terms["points"]:
        raise NotEnough(too_dear(account.balance, terms["points"]))
    if (reward.per_customer or reward.per_year) and rewards.is_used_up(reward, rewards.taken(account), at):
        raise LimitReached(_("You have taken this reward as often as one may."))
    # The condition is in the statement: the last one goes to one of two who ask at once.
    if reward.stock is not None and not Reward.objects.filter(pk=reward.pk, stock__gt=0).update(stock=F("stock") - 1):
        raise SoldOut(_("This reward is sold out."))
    return terms


def require_unfrozen(store: Store, customer: Customer) -> None:
    """Raises Frozen. The caller holds the customer's accounts."""
    if freeze := freezes.of(store, customer):
        raise Frozen(freezes.words(freeze, store.timezone))


def too_dear(balance: int, points: int) -> str:
    return _("You have %(balance)s points; this costs %(points)s.") % {
        "balance": formats.number(balance),
        "points": formats.number(points),
    }


def owe_code(redemption: Redemption, customer: Customer, at: datetime) -> None:
    """Raises NoAddress where the shop would not keep the customer's."""
    try:
        codes.owe(redemption, customer, at)
    except BadPayload as error:
        if "email_restrictions" not in error.errors:
            raise
        raise no_address() from error


def no_address() -> NoAddress:
    return NoAddress(_("The shop can't make a code for your email address. Please write to the shop."))
