"""A member's invited friends, in words for the member."""

from collections import defaultdict
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from crm.orders.models import Customer

from .models import Referral
from .referrals import masked

State, Reason = Referral.State, Referral.Reason
SHOWN = {
    State.INVITED: _("Has not ordered yet"),
    State.ORDERED: _("Has ordered; the parcel is on its way"),
    State.DELIVERED: _("The order has arrived; points come when it can no longer be sent back"),
    State.REWARDED: _("Rewarded"),
    State.DECLINED: _("Not counted"),
    State.LAPSED: _("Did not order in time"),
}
# Of one that looks odd: it may never become points, and not by the days alone.
LOOKED_AT = _("The order has arrived; the shop looks at it before points come")
GROUPS = [
    (_("Under way"), Referral.UNDER_WAY),
    (_("Rewarded"), (State.REWARDED,)),
    (_("Not counted"), (State.DECLINED, State.LAPSED)),
]
WHY_NOT = {
    Reason.NOT_NEW: _("your friend had ordered here before"),
    Reason.CAP: _("you have reached this year's limit"),
    Reason.TOO_SMALL: _("the first order was too small"),
    Reason.MEMBER_LEFT: _("you had left the programme"),
    Reason.STAFF: _("the shop has looked at it"),
}


def of(customers: Iterable[Customer], limit: int = 200) -> list[dict]:
    """A member's friends by how far they are, the newest first: `{label, friends: [{email, state, why, at}]}` in words, none of them empty."""
    rows = Referral.objects.filter(member__in=customers).order_by("-pk")[:limit]
    by_group: dict[int, list[dict]] = defaultdict(list)
    for row in rows:
        group = next(n for n, (_label, states) in enumerate(GROUPS) if row.state in states)
        by_group[group].append(
            {
                "email": masked(row.friend_email),
                "state": _shown(row),
                "why": WHY_NOT[Reason(row.reason)] if row.reason else "",
                "at": row.rewarded_at or row.delivered_at or row.ordered_at or row.created_at,
            }
        )
    return [{"label": GROUPS[group][0], "friends": by_group[group]} for group in sorted(by_group)]


def _shown(referral):
    waits = referral.is_undecided and referral.state == State.DELIVERED
    return LOOKED_AT if waits else SHOWN[State(referral.state)]
