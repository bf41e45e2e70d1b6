"""Who takes part in the programme: the only code that writes Member rows.

In an automatic programme everyone takes part who has not left; their row is made with their first paid order. In a programme that
one joins, only who has an open row. Leaving keeps the points for some days, for those who change their mind.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from crm.events import recording
from crm.events.recording import Fact
from crm.messaging import consent, holds
from crm.messaging.kinds import Purpose
from crm.orders.models import Customer
from crm.stores.models import Store, User

from . import ledger
from .models import Account, Member, Program

Way = Member.Way
JOIN = Program.Enrolment.JOIN


class NotAMember(Exception):
    """The customer takes no part in the programme, or has left it."""


@dataclass
class Membership:
    """How a person stands to the programme. `row` is the newest Member row, if there is one."""

    is_member: bool
    row: Member | None

    @property
    def has_left(self) -> bool:
        return not self.is_member and self.row is not None and self.row.has_left


def membership(program: Program, customers: Iterable[Customer | int] | QuerySet) -> Membership:
    """How the person of these customer rows stands to the programme. One query."""
    rows = list(Member.objects.filter(store=program.store_id, customer__in=customers).order_by("left_at", "pk"))
    row = next((row for row in rows if not row.has_left), rows[-1] if rows else None)
    # A customer who never left takes part by buying.
    by_buying = program.enrolment != JOIN and row is None
    return Membership(by_buying or (row is not None and not row.has_left), row)


def require(program: Program, customer: Customer) -> None:
    """Raises NotAMember: what only members may do (spend points, take a reward) asks here first."""
    if not membership(program, [customer.person_id]).is_member:
        raise NotAMember(f"{customer} takes no part in {program}")


def taking_part(program: Program, customers: str = "pk") -> Q:
    """A condition for a query: the customer whose primary key stands in the field `customers` is a member."""
    open_row = Exists(Member.objects.current().filter(customer=OuterRef(customers)))
    if program.enrolment == JOIN:
        return Q(open_row)
    return Q(open_row) | ~Q(Exists(Member.objects.filter(customer=OuterRef(customers))))


def entitled(program: Program, paid: QuerySet) -> QuerySet:
    """Of these `order.paid` events those at whose time the customer took part: only their orders earn.

    It asks for the time of the payment, so that it does not matter when it becomes known.
    """
    owner = Coalesce("order__customer__joined_to_id", "order__customer_id")
    rows = Member.objects.filter(customer=OuterRef("owner"))
    then = rows.filter(Q(left_at=None) | Q(left_at__gt=OuterRef("occurred_at")))
    paid = paid.annotate(owner=owner)
    if program.enrolment == JOIN:
        return paid.filter(Exists(then.filter(joined_at__lte=OuterRef("occurred_at"))))
    # Between leaving and coming back nothing is earned.
    left_before = rows.filter(left_at__lte=OuterRef("occurred_at"))
    back_by_then = then.filter(joined_at__lte=OuterRef("occurred_at"))
    return paid.filter(~Exists(left_before) | Exists(back_by_then))


@transaction.atomic
def join(store: Store, customer: Customer, way: str, at: datetime, *, by: User | None = None) -> tuple[Member, bool]:
    """Have a customer take part from now on; returns the row and whether it is new. Whoever comes back within the days keeps the points."""
    customer = _lock(customer)
    if row := Member.objects.current().filter(customer=customer).first():
        return row, False
    row = Member.objects.create(store=store, customer=customer, joined_at=at, joined_by=way, changed_by=by)
    ledger.open_accounts(store, [customer.pk])
    if customer.email and consent.is_refused(store, customer.email, Purpose.LOYALTY):
        consent.give(store, customer.email, source="joined", purpose=Purpose.LOYALTY, at=at)
    _tell(store, "member.joined", [row], at)
    return row, True


@transaction.atomic
def leave(program: Program, customer: Customer, way: str, at: datetime, *, by: User | None = None) -> Member | None:
    """End a customer's part. Their points are kept for the programme's days, then they go; no mail about points is sent any more.

    Returns the row, or None if the customer takes no part.
    """
    store = program.store
    customer = _lock(customer)
    row = Member.objects.filter(customer=customer).order_by("-pk").first()
    if row is None and program.enrolment != JOIN:
        # Takes part by buying, and was never written down.
        row = Member(store=store, customer=customer, joined_at=at, joined_by=Way.AUTOMATIC)
    if row is None or row.has_left:
        return None
    row.left_at, row.left_by, row.changed_by = max(at, row.joined_at), way, by
    row.points_until = row.left_at + timedelta(days=program.leaving_days)
    row.save()
    if customer.email:
        consent.withdraw(store, customer.email, source="left the programme", purpose=Purpose.LOYALTY, at=at)
    _tell(store, "member.left", [row], at)
    return row


@transaction.atomic
def enrol_buyers(program: Program, paid: Iterable[tuple[int, datetime]]) -> list[Member]:
    """Write down who takes part by buying: (customer's key, time of payment). Whoever left stays away."""
    if program.enrolment == JOIN or not program.active:
        return []
    first: dict[int, datetime] = {}
    for customer_id, at in paid:
        first[customer_id] = min(at, first.get(customer_id, at))
    known = set(Member.objects.filter(customer__in=first).values_list("customer_id", flat=True))
    rows = [
        Member(store=program.store, customer_id=pk, joined_at=first[pk], joined_by=Way.AUTOMATIC)
        for pk in sorted(first.keys() - known)
    ]
    Member.objects.bulk_create(rows, ignore_conflicts=True)
    # Which of them are new, and not another process's, only the database can tell.
    new = list(Member.objects.filter(customer__in=[row.customer_id for row in rows], joined_by=Way.AUTOMATIC))
    _tell(program.store, "member.joined", new, None)
    return new


@transaction.atomic
def keep_holders(store: Store, at: datetime) -> int:
    """A programme is to be joined from now on: whoever holds an account and did not leave is a member already."""
    accounts = Account.objects.for_store(store).points().filter(customer__joined_to=None)
    without = accounts.exclude(Exists(Member.objects.filter(customer=OuterRef("customer"))))
    rows = [
        Member(store=store, customer_id=customer_id, joined_at=min(opened, at), joined_by=Way.AUTOMATIC)
        for customer_id, opened in without.values_list("customer_id")
        .annotate(Min("created_at"))
        .order_by("customer_id")
    ]
    Member.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    return len(rows)


@transaction.atomic
def merge(store: Store, guest_id: int, customer_id: int) -> None:
    """A guest turned out to be a registered customer, who takes part if either of them did."""
    list(Customer.objects.filter(pk__in=[guest_id, customer_id]).order_by("pk").select_for_update(no_key=True))
    theirs = list(Member.objects.filter(customer=customer_id).order_by("pk"))
    mine = list(Member.objects.filter(customer=guest_id).order_by("pk"))
    open_one = next((row for row in theirs if not row.has_left), None)
    for row in mine:
        if not row.has_left and open_one:
            # One part in the programme, begun by whichever of them came first.
            if row.joined_at < open_one.joined_at:
                open_one.joined_at, open_one.joined_by = row.joined_at, row.joined_by
                open_one.save(update_fields=["joined_at", "joined_by"])
            row.delete()
        else:
            row.customer_id = customer_id
            row.save(update_fields=["customer"])


def drop_points(store: Store, at: datetime) -> int:
    """Take the points of those who left and did not come back in time; returns how many rows were settled. On hold nobody loses any."""
    gone = Member.objects.for_store(store).filter(points_until__lte=at, points_gone_at=None).order_by("pk")
    gone = gone.exclude(customer__in=holds.held(store, at))
    count = 0
    for row in gone.select_related("customer").iterator(chunk_size=500):
        with transaction.atomic():
            _lock(row.customer)
            # Whoever has come back meanwhile keeps them; whoever then left again has days of their own.
            others = Member.objects.filter(customer=row.customer_id).exclude(pk=row.pk)
            if others.filter(Q(left_at=None) | Q(points_until__gt=at)).exists() or _forfeit(store, row):
                count += Member.objects.filter(pk=row.pk, points_gone_at=None).update(points_gone_at=at)
    return count


def _forfeit(store, row) -> bool:
    """Take what can be taken; whether that is all. Points that are pending go when they have become usable."""
    account = ledger.lock(store, [row.customer_id]).get(row.customer_id)
    if account is None:
        return True
    if account.balance > 0:
        cause = f"left:{row.pk}:{account.posted}"
        ledger.post(account, ledger.Kind.EXPIRE, -account.balance, cause, rule={"why": "left"})
    return account.pending == 0


def _lock(customer) -> Customer:
    """Whoever else changes this customer's part waits."""
    return Customer.objects.select_for_update(no_key=True, of=("self",)).get(pk=customer.person_id)


def _tell(store, type, rows, at):
    recording.record_many(
        store,
        [
            Fact(
                type,
                str(row.pk),
                customer_id=row.customer_id,
                data={"way": row.left_by or row.joined_by},
                occurred_at=at or row.joined_at,
            )
            for row in rows
        ],
    )
