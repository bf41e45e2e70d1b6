"""What points buy: the catalogue as a customer sees it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores.formats import money, number
from crm.stores.models import Store

from .models import Account, Redemption, Reward


@dataclass
class Offer:
    """A reward beside somebody's balance. `state` is `ready`, `missing` (so many points), `sold_out` or `limit` (had as many as one may)."""

    reward: Reward
    state: str
    missing: int = 0

    @property
    def conditions(self) -> list[str]:
        return conditions(self.reward.terms)


def words(terms: dict) -> str:
    """`₹500.00 off`, from a reward's terms."""
    if terms["kind"] == Reward.Kind.SHIPPING:
        return _("Free shipping")
    if terms["kind"] == Reward.Kind.PERCENT:
        return _("%(percent)s%% off") % {"percent": terms["amount"]}
    return _("%(money)s off") % {"money": money(terms["amount"], terms["currency"])}


def conditions(terms: dict) -> list[str]:
    """What else is to know of a code, in sentences."""
    said = []
    if terms["minimum_order"]:
        said.append(
            _("For orders of at least %(money)s.") % {"money": money(terms["minimum_order"], terms["currency"])}
        )
    if terms["individual_use"]:
        said.append(_("Not together with other codes."))
    if terms["valid_days"]:
        said.append(_("The code is valid for %(days)s days.") % {"days": number(terms["valid_days"])})
    return said


def version(reward: Reward) -> str:
    """Changes with the price and with whatever one gets for it."""
    return hashlib.sha256(json.dumps(reward.terms, sort_keys=True).encode()).hexdigest()[:16]


def account_of(store: Store, customer: Customer) -> Account | None:
    return Account.objects.for_store(store).points().filter(customer_id=customer.joined_to_id or customer.pk).first()


def offers(store: Store, account: Account | None, at: datetime) -> list[Offer]:
    """The rewards of today as they stand to this account, in the shop's order. Two queries."""
    rewards = list(Reward.objects.for_store(store).offered(at).order_by("position", "points", "pk"))
    had: dict[int, int] = {}
    if account is not None:
        for reward_id in taken(account).values_list("reward", flat=True):
            had[reward_id] = had.get(reward_id, 0) + 1
    balance = account.balance if account else 0
    for reward in rewards:
        reward.store = store  # spares a query for each
    return [_offer(reward, balance, had.get(reward.pk, 0)) for reward in rewards]


def taken(account: Account):
    """What counts towards a limit: also what was taken as a guest; not what came to nothing."""
    theirs = Q(account__customer=account.customer_id) | Q(account__customer__joined_to=account.customer_id)
    return Redemption.objects.filter(theirs, store=account.store_id).exclude(state=Redemption.State.FAILED)


def _offer(reward, balance, had):
    if reward.stock == 0:
        return Offer(reward, "sold_out")
    if reward.per_customer and had >= reward.per_customer:
        return Offer(reward, "limit")
    if balance < reward.points:
        return Offer(reward, "missing", reward.points - balance)
    return Offer(reward, "ready")
