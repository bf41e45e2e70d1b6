"""A member brings a friend: from the address that the friend leaves on the member's page to the reward of both.

The friend is tied to their first order by the address, for the shop is another site and no cookie reaches it. Both are rewarded when that
order was delivered and can't be sent back any more. What looks odd (same street, telephone, device or network) waits for staff to decide: people who
live together may well recommend a shop to each other.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from crm.messaging import mailboxes, outbox
from crm.orders.customers import addresses
from crm.orders.models import Customer, Order
from crm.shipping.models import Shipment
from crm.stores.models import ApiKey, Store, User

from . import days, ledger, members, programs
from .ledger import Kind, Posting
from .models import Referral, ReferralCode, ReferralTerms, Sighting
from .reckoning import VOID

State, Reason, Flag = Referral.State, Referral.Reason, Referral.Flag
REWARDED, WELCOMED, DECLINED = "referral-rewarded", "referral-welcome", "referral-declined"
DECISION = ("decided_at", "decided_by", "decided_by_key", "decision")
REMEMBERED = timedelta(days=90)
# One member's friends of one day; more is no circle of friends.
A_DAY = 20


class Decided(Exception):
    """There is nothing to decide, or nothing to undo; the message is for people."""


@dataclass(frozen=True)
class Trace:
    """From where somebody acts, hashed for one store: enough to compare, nothing to read."""

    network: str = ""
    device: str = ""


def trace(store: Store, ip: str, user_agent: str) -> Trace:
    """The network is an IPv4 address, or the half of an IPv6 address that a household shares."""
    if ":" in ip:
        ip = ":".join(ip.split(":")[:4])
    return Trace(_hash(store, ip), _hash(store, f"{ip} {user_agent}") if user_agent else "")


def _hash(store, text) -> str:
    return salted_hmac(f"loyalty.referrals.{store.pk}", text, algorithm="sha256").hexdigest() if text else ""


def terms_of(store: Store) -> ReferralTerms | None:
    """The store's terms, while it takes invitations."""
    terms = ReferralTerms.objects.filter(program__store=store, active=True, program__active=True).first()
    if terms is not None:
        terms.program = programs.of(store) or terms.program
    return terms


def code_of(customer: Customer) -> str:
    """The end of the member's link, or nothing if it was not made yet."""
    return ReferralCode.objects.filter(customer=customer).values_list("code", flat=True).first() or ""


def make_code(store: Store, customer: Customer) -> str:
    return ReferralCode.objects.get_or_create(store=store, customer=customer)[0].code


def member_of(store: Store, code: str) -> Customer | None:
    """Whose link it is; nobody's if the member has left."""
    found = ReferralCode.objects.filter(store=store, code=code.strip().lower()).select_related("customer").first()
    program = programs.of(store)
    if found is None or program is None:
        return None
    owner = found.customer.person
    return owner if members.membership(program, [owner]).is_member else None


def note_sighting(store: Store, customer: Customer, seen: Trace, at: datetime) -> None:
    Sighting.objects.update_or_create(
        customer=customer, network_hash=seen.network, device_hash=seen.device, defaults={"store": store, "at": at}
    )


@transaction.atomic
def invite(
    terms: ReferralTerms, member: Customer, email: str, seen: Trace, at: datetime, odd: Iterable[str] | None = None
) -> Referral | None:
    """Note the friend's address. None where it leads nowhere: oneself, a customer already, invited before, or too many in a day.

    Pages answer all of these alike: they must not tell strangers who is a customer.
    """
    store = terms.program.store
    mailbox = mailboxes.mailbox(email)
    # Whoever invites or is invited by the same member at once waits.
    Customer.objects.select_for_update(no_key=True, of=("self",)).get(pk=member.pk)
    _lapse(Referral.objects.for_store(store).filter(mailbox=mailbox), at)
    today = Referral.objects.filter(member=member, created_at__gt=at - timedelta(days=1)).count()
    if not mailbox or today >= A_DAY or _is_self(member, mailbox) or _is_customer(store, mailbox):
        return None
    if Referral.objects.for_store(store).filter(mailbox=mailbox).exclude(state=State.LAPSED).exists():
        return None
    return Referral.objects.create(
        store=store,
        member=member,
        friend_email=email.strip().lower(),
        mailbox=mailbox,
        network_hash=seen.network,
        device_hash=seen.device,
        flags=sorted({*_seen_before(store, member, seen), *(odd or ())}),
        created_at=at,
        lapses_at=at + timedelta(days=terms.valid_days),
    )


def of_friend(emails: Iterable[str]) -> Q:
    """A condition for a query: invitations of whoever has one of these addresses, however they were written."""
    boxes = {mailboxes.mailbox(email) for email in emails} - {""}
    return Q(friend_email__in=emails) | Q(mailbox__in=boxes)


def _is_self(member, mailbox) -> bool:
    used = Order.objects.filter(customer=member).order_by("-pk").values_list("billing_email", flat=True)[:200]
    return mailbox in {mailboxes.mailbox(address) for address in {member.email, *used}}


def _is_customer(store, mailbox, before: Order | None = None) -> bool:
    """Whether somebody of this mailbox has ordered (before that order). What came to nothing was no order."""
    orders = _orders_of(store, mailbox)
    if before is not None:
        orders = orders.filter(date_created_gmt__lt=before.date_created_gmt).exclude(pk=before.pk)
    return orders.exists()


def _orders_of(store, mailbox) -> QuerySet[Order]:
    orders = Order.objects.for_store(store).existing().exclude(status__in=(*VOID, "pending", "checkout-draft"))
    theirs = Customer.objects.for_store(store).filter(mailboxes.same("email", mailbox))
    return orders.filter(Q(customer__in=theirs) | Q(customer__joined_to__in=theirs) | Q(billing_email=mailbox))


def _seen_before(store, member, seen) -> list[str]:
    own = Sighting.objects.filter(customer=member)
    others = Referral.objects.for_store(store).filter(member=member)
    flags: list[str] = []
    for flag, name, value in ((Flag.NETWORK, "network_hash", seen.network), (Flag.DEVICE, "device_hash", seen.device)):
        if value and (own.filter(**{name: value}).exists() or others.filter(**{name: value}).exists()):
            flags.append(flag)
    return flags


# --- what becomes of it ---
@transaction.atomic
def follow(store: Store, order_ids: Iterable[int], at: datetime) -> None:
    """Bring the invitations that these orders belong to where the orders are now, whatever happened to them in which sequence."""
    orders = Order.objects.for_store(store).filter(pk__in=set(order_ids)).select_related("customer").order_by("pk")
    by_mailbox: dict[str, list[Order]] = {}
    for order in orders:
        if box := mailboxes.mailbox(order.billing_email):
            by_mailbox.setdefault(box, []).append(order)
    found = Referral.objects.for_store(store).filter(
        Q(mailbox__in=by_mailbox) | Q(order__in=[order.pk for order in orders]), state__in=Referral.UNDER_WAY
    )
    terms = ReferralTerms.objects.filter(program__store=store).select_related("program").first()
    for referral in found.select_related("member", "order").order_by("pk").select_for_update(of=("self",)):
        if terms is not None:
            for order in by_mailbox.get(referral.mailbox, []):
                _take_order(terms, referral, order)
            _take_delivery(terms, referral, at)
            referral.save()


def _take_order(terms, referral, order):
    if referral.order_id or not _counts(order):
        return
    placed = order.date_created_gmt or order.date_paid_gmt
    if placed is None or not referral.created_at <= placed <= referral.lapses_at:
        return
    if _is_customer(referral.store, referral.mailbox, before=order):
        _decline(referral, Reason.NOT_NEW)
    elif order.net_total < terms.minimum_spend:
        _decline(referral, Reason.TOO_SMALL)
    else:
        referral.order, referral.state = order, State.ORDERED
        referral.ordered_at = order.date_paid_gmt or placed
        referral.flags = sorted({*referral.flags, *_same_person(referral.member, order)})


def _take_delivery(terms, referral, at):
    order = referral.order
    if order is None:
        return
    if not _counts(order):
        # It came to nothing: another first order may follow in time.
        referral.order = referral.ordered_at = referral.delivered_at = referral.due_at = None
        referral.state = State.INVITED
        return
    delivered = _delivered_at(order)
    if delivered is None:
        return
    referral.state, referral.delivered_at = State.DELIVERED, delivered
    referral.due_at = delivered + timedelta(days=terms.return_days)


def _counts(order) -> bool:
    return order.is_paid and order.deleted_at is None and order.status not in VOID and order.net_total > 0


def _delivered_at(order) -> datetime | None:
    """When the last parcel came; of an order without parcels when it was completed."""
    parcels = list(Shipment.objects.filter(order=order).existing().values_list("delivered_at", flat=True))
    if not parcels:
        return order.date_completed_gmt
    return None if None in parcels else max(parcels)


def _same_person(member, order) -> set[str]:
    """What the friend's order has in common with the member's."""
    flags: set[str] = set()
    theirs = {_street(fields) for fields in addresses(member)} - {None}
    if theirs & {_street(order.billing), _street(order.shipping)}:
        flags.add(Flag.ADDRESS)
    phones = {_phone(member.phone), _phone(member.billing.get("phone")), _phone(member.shipping.get("phone"))} - {""}
    if phones & {_phone(order.billing.get("phone")), _phone(order.shipping.get("phone"))}:
        flags.add(Flag.PHONE)
    return flags


def _street(fields) -> tuple | None:
    street = " ".join(re.findall(r"\w+", str(fields.get("address_1") or "").casefold()))
    postcode = re.sub(r"\W", "", str(fields.get("postcode") or "")).casefold()
    return (street, postcode) if street else None


def _phone(number) -> str:
    """The last nine digits: with and without the country's code it is the same telephone."""
    digits = "".join(character for character in str(number or "") if character.isdecimal())
    return digits[-9:] if len(digits) >= 7 else ""


def reward(store: Store, at: datetime) -> int:
    """Reward both sides wherever the return window has passed and nothing waits for staff; returns how many."""
    terms = terms_of(store)
    if terms is None:
        return 0
    due = Referral.objects.for_store(store).filter(state=State.DELIVERED, due_at__lte=at)
    due = due.filter(Q(flags=[]) | Q(decided_at__isnull=False)).order_by("due_at", "pk")
    return sum(_reward(terms, pk, at) for pk in list(due.values_list("pk", flat=True)))


@transaction.atomic
def _reward(terms, pk, at) -> bool:
    referral = (
        Referral.objects.select_for_update(of=("self",))
        .select_related("store", "member__joined_to", "order__customer__joined_to")
        .get(pk=pk)
    )
    if referral.state != State.DELIVERED or referral.order is None or referral.order.customer is None:
        return False
    _take_delivery(terms, referral, at)
    member = referral.member.person
    # Two friends of one member are rewarded one after the other, so that the cap holds.
    Customer.objects.select_for_update(no_key=True, of=("self",)).get(pk=member.pk)
    if referral.state != State.DELIVERED or referral.due_at is None or referral.due_at > at:
        referral.save()
        return False
    if not members.membership(terms.program, [member]).is_member:
        _decline(referral, Reason.MEMBER_LEFT)
    elif referral.order.net_total < terms.minimum_spend:
        _decline(referral, Reason.TOO_SMALL)
    elif rewarded_this_year(terms, [member], at) >= terms.yearly_cap:
        _decline(referral, Reason.CAP)
    else:
        _pay(terms, referral, member, at)
    referral.save()
    return referral.state == State.REWARDED


def rewarded_this_year(terms: ReferralTerms, members: Iterable[Customer], at: datetime) -> int:
    """Friends of these in this year of the store's calendar."""
    store = terms.program.store
    new_year = days.midnight(store, at.astimezone(store.zone).date().replace(month=1, day=1))
    return Referral.objects.filter(member__in=members, state=State.REWARDED, rewarded_at__gte=new_year).count()


def _pay(terms, referral, member, at):
    store, friend = referral.store, referral.order.customer.person
    referral.state, referral.rewarded_at = State.REWARDED, at
    members_too = members.membership(terms.program, [friend])
    if not members_too.has_left and terms.friend_points:
        # The page on which the friend left the address said so.
        members.join(store, friend, members.Way.REFERRAL, at)
    sides = [(member, terms.member_points, "referral", REWARDED)]
    if terms.friend_points and not members_too.has_left:
        sides.append((friend, terms.friend_points, "welcome", WELCOMED))
    ledger.open_accounts(store, [customer.pk for customer, *_rest in sides])
    accounts = ledger.lock(store, [customer.pk for customer, *_rest in sides])
    ledger.post_many(
        Posting(accounts[customer.pk].pk, Kind.EARN, points, f"{why}:{referral.pk}", rule={"why": why})
        for customer, points, why, _mail in sides
    )
    for customer, points, why, mail in sides:
        outbox.queue(store, mail, f"{why}:{referral.pk}", customer=customer, context={"points": points}, at=at)


def _decline(referral, reason):
    referral.state, referral.reason = State.DECLINED, reason


@transaction.atomic
def approve(referral: Referral, by: User | ApiKey, reason: str, at: datetime) -> Referral:
    """Staff have looked at what is odd and find it in order; the reward comes when it is due. Raises Decided."""
    referral = _undecided(referral)
    _decide(referral, by, reason, at)
    referral.save(update_fields=DECISION)
    return referral


@transaction.atomic
def decline(referral: Referral, by: User | ApiKey, reason: str, at: datetime) -> Referral:
    """Staff refuse the reward; the member is told, with the reason. Raises Decided."""
    referral = _undecided(referral)
    _decide(referral, by, reason, at)
    _decline(referral, Reason.STAFF)
    referral.save(update_fields=[*DECISION, "state", "reason"])
    context = {"friend": masked(referral.friend_email), "reason": reason}
    # What was undone and is declined again is told again.
    key = f"referral:{referral.pk}:{at.timestamp():.0f}"
    outbox.queue(referral.store, DECLINED, key, customer=referral.member, context=context, at=at)
    return referral


@transaction.atomic
def reopen(referral: Referral, at: datetime) -> Referral:
    """Undo that staff declined it: it stands where its order is now, and what looks odd is to be decided again. Raises Decided."""
    referral = _held(referral)
    if (referral.state, referral.reason) != (State.DECLINED, Reason.STAFF):
        raise Decided(_("Only what staff have declined can be taken up again."))
    _decide(referral, None, "", None)
    referral.state, referral.reason = State.ORDERED if referral.order_id else State.INVITED, ""
    terms = ReferralTerms.objects.filter(program__store=referral.store_id).first()
    if terms is not None:
        # Nothing was followed meanwhile: an order that came to nothing makes room for the next one first.
        _take_delivery(terms, referral, at)
        for order in _orders_of(referral.store, referral.mailbox).order_by("date_created_gmt", "pk"):
            if referral.state in Referral.UNDER_WAY:
                _take_order(terms, referral, order)
        _take_delivery(terms, referral, at)
    referral.save()
    return referral


def _decide(referral, by, reason, at):
    referral.decided_at, referral.decision = at, reason
    referral.decided_by = by if isinstance(by, User) else None
    referral.decided_by_key = by if isinstance(by, ApiKey) else None


def _undecided(referral):
    referral = _held(referral)
    if referral.state not in Referral.UNDER_WAY:
        raise Decided(_("It was rewarded or closed already."))
    return referral


def _held(referral):
    rows = Referral.objects.select_for_update(of=("self",)).select_related("store", "member", "order")
    return rows.get(pk=referral.pk)


def tidy(store: Store, at: datetime) -> None:
    """Close what was not used in time, and forget from where people came."""
    _lapse(Referral.objects.for_store(store), at)
    old = Referral.objects.for_store(store).filter(created_at__lt=at - REMEMBERED)
    old.exclude(network_hash="", device_hash="").update(network_hash="", device_hash="")
    Sighting.objects.filter(store=store, at__lt=at - REMEMBERED).delete()


def _lapse(referrals, at):
    # An order that was placed in time may become known a little later.
    referrals.filter(state=State.INVITED, lapses_at__lt=at - timedelta(days=2)).update(state=State.LAPSED)


def merge(guest_id: int, customer_id: int) -> None:
    """A guest turned out to be a registered customer."""
    Referral.objects.filter(member=guest_id).update(member=customer_id)
    if not ReferralCode.objects.filter(customer=customer_id).exists():
        ReferralCode.objects.filter(customer=guest_id).update(customer=customer_id)


# --- for people ---
def masked(email: str) -> str:
    """`as•••@mail.example`: enough for the member to know which friend it is."""
    name, _at, domain = email.partition("@")
    return f"{name[:2]}•••@{domain}"
