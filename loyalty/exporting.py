"""What a person did and has in the programme."""

from collections.abc import Iterator

from crm.orders.erasing import Person

from . import referrals, statements, units
from .models import (
    Account,
    Birthday,
    Freeze,
    Gift,
    ImportRow,
    Lot,
    Member,
    Redemption,
    Referral,
    ReferralCode,
    Sighting,
    TierChange,
    TierStanding,
)

AT_ONCE = 500


def membership(person: Person) -> Iterator[dict]:
    theirs = {"store": person.store, "customer__in": person.customers}
    for row in Member.objects.filter(**theirs).order_by("pk"):
        yield {
            "joined_at": row.joined_at,
            "by": row.joined_by,
            "left_at": row.left_at,
            "points_kept_until": row.points_until,
        }
    for birthday in Birthday.objects.filter(**theirs):
        yield {"birthday": {"day": birthday.day, "month": birthday.month}, "entered_at": birthday.set_at}
    for standing in TierStanding.objects.filter(**theirs).select_related("tier"):
        yield {"level": standing.tier.name, "since": standing.since, "until": standing.ends_on}
    for frozen in Freeze.objects.filter(**theirs).order_by("pk"):
        yield {"frozen_at": frozen.placed_at, "until": frozen.lifted_at, "note_to_you": frozen.note}
    for change in TierChange.objects.filter(**theirs).order_by("pk"):
        yield {"level_before": change.was, "level_after": change.became, "why": change.why, "at": change.at}


def _accounts(person):
    return list(Account.objects.for_store(person.store).filter(customer__in=person.customers).order_by("pk"))


def balances(person: Person) -> Iterator[dict]:
    """Of points, and of store credit in a currency: then amounts are money."""
    for account in _accounts(person):
        yield {
            "unit": account.unit, "balance": _amount(account.balance, account.unit),
            "on_their_way": _amount(account.pending, account.unit), "level": account.tier, "since": account.created_at,
        }  # fmt: skip


def lots(person: Person) -> Iterator[dict]:
    """What came in together and ends together."""
    units_of = {account.pk: account.unit for account in _accounts(person)}
    for lot in Lot.objects.filter(account__in=units_of).order_by("account", "pk").iterator(chunk_size=AT_ONCE):
        unit = units_of[lot.account_id]
        yield {
            "unit": unit, "came": _amount(lot.granted, unit), "left": _amount(lot.remaining, unit),
            "usable_from": lot.released_at or lot.available_from, "expires_at": lot.expires_at,
        }  # fmt: skip


def entries(person: Person) -> Iterator[dict]:
    """Each movement with its reason, the newest first."""
    accounts = {account.pk: account.unit for account in _accounts(person)}
    before = None
    while accounts:
        page, before = statements.lines(list(accounts), before, AT_ONCE)
        for line in page:
            entry, unit = line.entry, accounts[line.entry.account_id]
            yield {
                "at": entry.created_at, "unit": unit, "amount": _amount(entry.points, unit),
                "on_their_way": _amount(entry.pending, unit), "balance_after": _amount(entry.balance_after, unit),
                "what": line.title, "order": line.order_number, "why": line.why,
            }  # fmt: skip
        if before is None:
            return


def _amount(units_of, unit):
    return units_of if unit == Account.Unit.POINTS else units.money(units_of, unit)


def codes(person: Person) -> Iterator[dict]:
    """Rewards and what became of them. The code of a gift card that somebody else has is theirs: it is money."""
    rows = Redemption.objects.for_store(person.store).filter(account__customer__in=person.customers)
    rows = rows.select_related("order", "gift__mail", "rest_of__gift__mail").order_by("pk")
    for row in rows.iterator(chunk_size=AT_ONCE):
        yield {
            "what": row.words, "state": row.state, "at": row.created_at, "expires_at": row.expires_at,
            "points": None if row.is_credit else row.points, "order": row.order and row.order.number,
            "code": "" if row.is_somebody_elses else row.code,
            "rest_of_a_gift_card": row.rest_of_id is not None,
        }  # fmt: skip


def gifts(person: Person) -> Iterator[dict]:
    """Given and got; of one that was got, from whom as they called themselves."""
    rows = Gift.objects.for_store(person.store).select_related("redemption").order_by("pk")
    for row in rows.filter(redemption__account__customer__in=person.customers):
        yield {
            "given_to": row.recipient, "from": row.sender, "message": row.message, "what": row.redemption.words,
            "at": row.created_at,
        }  # fmt: skip
    for row in rows.filter(recipient__in=person.emails):
        yield {"got_from": row.sender, "message": row.message, "what": row.redemption.words, "at": row.created_at}


def friends(person: Person) -> Iterator[dict]:
    """Whom the person invited, as little of them as on the page, and whether somebody invited the person."""
    for code in ReferralCode.objects.filter(store=person.store, customer__in=person.customers):
        yield {"your_code": code.code, "made_at": code.created_at}
    rows = Referral.objects.for_store(person.store).order_by("pk")
    for row in rows.filter(member__in=person.customers).iterator():
        yield {
            "invited": referrals.masked(row.friend_email), "state": row.state, "not_counted_because": row.reason,
            "at": row.created_at, "ordered_at": row.ordered_at, "delivered_at": row.delivered_at,
            "rewarded_at": row.rewarded_at,
        }  # fmt: skip
    for row in rows.filter(referrals.of_friend(person.emails)):
        yield {"you_were_invited_as": row.friend_email, "state": row.state, "at": row.created_at}
    for seen in Sighting.objects.filter(store=person.store, customer__in=person.customers).order_by("pk"):
        # From where is kept as a hash, which tells nobody anything but whether it was the same place twice.
        yield {"seen_at": seen.at}


def imported(person: Person) -> Iterator[dict]:
    rows = ImportRow.objects.filter(of__store=person.store, email__in=person.emails).order_by("pk")
    for row in rows:
        yield {
            "email": row.email, "points": row.points, "expires_at": row.expires_at, "earned_on": row.earned_on,
            "reason": row.note, "state": row.state,
        }  # fmt: skip
