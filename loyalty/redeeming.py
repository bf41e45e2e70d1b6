"""Points become a coupon of the shop: the only code that writes Redemption rows.

Points, row and the owed write into the shop are one transaction. The shop is asked later, by the outbox; what it says at last makes the
code ready, or brings the points back.
"""

import secrets
import uuid
from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crm.messaging import outbox
from crm.orders.models import Customer
from crm.stores import formats, links
from crm.stores.models import Store
from crm.woocommerce import push
from crm.woocommerce.models import Push
from crm.woocommerce.pushes.payloads import BadPayload

from . import ledger, members, programs, rewards
from .models import Redemption, Reward

State = Redemption.State
READY_MAIL, FAILED_MAIL = "reward-code", "reward-failed"
# Nobody has to ask whether that was a zero: no 0, O, 1, I, L. Ten of them are 49 bits.
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_SALT = "postpurchase.reward"
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


class NotAllowed(CannotRedeem):
    """The customer takes no part in the programme."""


class Paused(CannotRedeem):
    """The programme rests; points stay."""


class NoAddress(CannotRedeem):
    """The shop could not make the code for this customer alone."""


def token(reward: Reward, customer: Customer) -> str:
    """For one form: it names reward, price, terms and customer, and makes one redemption however often it is sent."""
    return signing.dumps(
        [reward.store_id, customer.pk, reward.pk, uuid.uuid4().hex, rewards.version(reward)], salt=_SALT
    )


def redeem_by_token(store: Store, customer: Customer, reward_id: int, token: str, at: datetime) -> Redemption:
    """What a form of the portal asks for. Raises CannotRedeem."""
    try:
        store_id, customer_id, named, key, seen = signing.loads(token, salt=_SALT, max_age=_TOKEN_AGE)
    except (signing.BadSignature, ValueError, TypeError):
        store_id = customer_id = named = key = seen = None
    if (store_id, customer_id, named) != (store.pk, customer.pk, reward_id):
        raise BadToken(_("This page has been open for too long or is not yours. Please choose the reward again."))
    return redeem(store, customer, reward_id, key=uuid.UUID(key), seen=seen, at=at)


@transaction.atomic
def redeem(
    store: Store, customer: Customer, reward_id: int, *, key: uuid.UUID, seen: str = "", at: datetime | None = None
) -> Redemption:
    """Spend points for a reward and owe the shop its coupon. The same key again answers the redemption there is.

    `seen` is `rewards.version` of what the customer agreed to. Raises CannotRedeem, with nothing changed.
    """
    at = at or now()
    customer = customer.joined_to or customer
    ledger.open_accounts(store, [customer.pk])
    # Whoever else spends of this account waits here, the second click of a double click among them.
    account = ledger.lock(store, [customer.pk])[customer.pk]
    if done := Redemption.objects.for_store(store).filter(key=key).first():
        if (done.account_id, done.reward_id) != (account.pk, reward_id):
            raise BadToken(_("This was used for another reward. Please choose the reward again."))
        return done
    reward = Reward.objects.for_store(store).offered(at).filter(pk=reward_id).first()
    if reward is None:
        raise NotOffered(_("This reward is not offered at the moment."))
    reward.store = store
    _check(reward, account, customer, seen)
    redemption = Redemption.objects.create(
        store=store, account=account, reward=reward, key=key, terms=reward.terms, code=new_code(store),
        expires_at=_expiry(reward, at), created_at=at,
    )  # fmt: skip
    cause = f"redemption:{redemption.pk}"
    rule = {"why": "reward", "reward": reward.terms}
    try:
        redemption.entry = ledger.redeem(account, reward.points, cause, rule=rule, at=at)
        push.queue(store, "coupon", cause, _payload(redemption, customer), customer=customer, at=at)
    except ledger.InsufficientPoints as error:
        raise NotEnough(str(error)) from error
    except BadPayload as error:
        if "email_restrictions" not in error.errors:
            raise
        raise _no_address() from error
    redemption.save(update_fields=["entry"])
    return redemption


def _check(reward, account, customer, seen):
    program = programs.of(reward.store)
    if program is None:
        raise NotOffered(_("This reward is not offered at the moment."))
    if not program.active:
        raise Paused(_("The points programme is paused. Your points stay yours."))
    try:
        members.require(program, customer)
    except members.NotAMember as error:
        raise NotAllowed(_("Only members can take a reward. Join first; it is free.")) from error
    if not customer.email:
        raise _no_address()
    if seen and seen != rewards.version(reward):
        raise Changed(_("The shop has changed this reward since you saw it. Please look at it again."))
    if account.balance < reward.points:
        raise NotEnough(
            _("You have %(balance)s points; this costs %(points)s.")
            % {"balance": formats.number(account.balance), "points": formats.number(reward.points)}
        )
    if reward.per_customer and rewards.taken(account).filter(reward=reward).count() >= reward.per_customer:
        raise LimitReached(_("You have taken this reward as often as one may."))
    # The condition is in the statement: the last one goes to one of two who ask at once.
    if reward.stock is not None and not Reward.objects.filter(pk=reward.pk, stock__gt=0).update(stock=F("stock") - 1):
        raise SoldOut(_("This reward is sold out."))


def _no_address():
    return NoAddress(_("The shop can't make a code for your email address. Please write to the shop."))


def new_code(store: Store) -> str:
    """`MASALA-7F3KQ-XW2PD`: nobody guesses it, and nobody misreads it."""
    prefix = "".join(letter for letter in store.slug.upper() if letter in LETTERS)[:6] or "PP"
    first, second = ("".join(secrets.choice(LETTERS) for _place in range(5)) for _half in range(2))
    return f"{prefix}-{first}-{second}"


def _expiry(reward, at):
    """The last second of the last day, by the store's clock."""
    if reward.valid_days is None:
        return None
    last = at.astimezone(reward.store.zone) + timedelta(days=reward.valid_days)
    return last.replace(hour=23, minute=59, second=59, microsecond=0)


def _payload(redemption, customer):
    terms = redemption.terms
    return {
        "code": redemption.code,
        "discount_type": "percent" if terms["kind"] == Reward.Kind.PERCENT else "fixed_cart",
        "amount": terms["amount"] or "0",
        "free_shipping": terms["kind"] == Reward.Kind.SHIPPING,
        "minimum_amount": terms["minimum_order"],
        "individual_use": terms["individual_use"],
        "usage_limit": 1,
        "email_restrictions": [customer.email],
        "date_expires": redemption.expires_at,
        "description": f"Postpurchase: reward for {redemption.points} points",
    }


def confirmed(row: Push) -> None:
    """The coupon is in the shop."""
    redemption = _redemption_of(row)
    if redemption is None:
        return
    if redemption.state == State.PENDING:
        redemption.state = State.READY
        redemption.save(update_fields=["state"])
        _tell(redemption, READY_MAIL)
    elif redemption.state == State.FAILED:
        # Staff had it tried again after the points were back: one of both is enough.
        _take_back(row, redemption)


def refused(row: Push) -> None:
    """There will be no coupon: the points go back to their lots."""
    redemption = _redemption_of(row)
    if redemption is None or redemption.state != State.PENDING:
        return
    redemption.returned = ledger.give_back(redemption.entry, f"redemption:{redemption.pk}", rule=redemption.entry.rule)
    redemption.state, redemption.error = State.FAILED, row.error
    redemption.save(update_fields=["returned", "state", "error"])
    Reward.objects.filter(pk=redemption.reward_id, stock__isnull=False).update(stock=F("stock") + 1)
    if row.sent_at is not None:
        _take_back(row, redemption)
    _tell(redemption, FAILED_MAIL)


def used(store: Store, uses: list[tuple[str, int | None]]) -> None:
    """Note the codes that paid orders were made with: (code as the shop writes it, order's key)."""
    for code, order_id in uses:
        rows = Redemption.objects.for_store(store).filter(code=code.upper(), state__in=[State.READY, State.EXPIRED])
        rows.update(state=State.USED, order=order_id)


def expire(store: Store, at: datetime) -> int:
    """Note the codes whose day has passed; returns how many."""
    return Redemption.objects.for_store(store).filter(state=State.READY, expires_at__lt=at).update(state=State.EXPIRED)


def _redemption_of(row):
    """The redemption that a push is of, held; None for other coupons."""
    reason, _colon, pk = row.key.partition(":")
    if reason != "redemption" or not pk.isdigit():
        return None
    held = Redemption.objects.select_for_update(no_key=True, of=["self"]).select_related("account__customer", "entry")
    redemption = held.filter(store=row.store_id, pk=pk, code=row.payload["code"]).first()
    if redemption is not None:
        redemption.store = row.store
    return redemption


def _take_back(row, redemption):
    key = f"redemption:{redemption.pk}:{row.outcome}"
    push.queue(redemption.store, "coupon_removal", key, {"code": redemption.code}, customer=row.customer)


def _tell(redemption, kind):
    store, customer = redemption.store, redemption.account.customer
    customer = customer.joined_to or customer
    language, expires = store.language_for(customer.language), redemption.expires_at
    with translation.override(language):
        reward = rewards.words(redemption.terms)
    context = {
        "code": redemption.code,
        "points": redemption.points,
        "reward": reward,
        "expires": expires and formats.day(expires, store.timezone, language),
        "url": links.address(reverse("loyalty-rewards", args=[store.slug])),
    }
    outbox.queue(store, kind, f"redemption:{redemption.pk}", customer=customer, context=context)
