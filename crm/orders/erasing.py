"""Erase a person: what each room holds of one, taken out or made nobody's.

A room registers a function in its `apps.ready()`. It takes a Person and returns how many rows of what it changed, by their names as staff know
them; it changes rows of the store alone, asks nobody outside, and does nothing the second time. Orders and points stay, and are nobody's.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from crm.events.recording import record
from crm.stores.models import Store, User

from .locking import lock_mirror
from .models import Customer, Erasure, Order

Counts = dict[str, int]


@dataclass(frozen=True)
class Person:
    """Whom to erase: their addresses (lower case), and primary keys and numbers in the shop of customers and orders."""

    store: Store
    at: datetime
    emails: frozenset[str] = frozenset()
    customers: frozenset[int] = frozenset()
    customer_numbers: frozenset[int] = frozenset()
    orders: frozenset[int] = frozenset()
    order_numbers: frozenset[int] = frozenset()
    # The shop has erased them already: its own words stand in the orders, and only old copies are left.
    followed_shop: bool = False

    @property
    def about(self) -> Q:
        """For rows with `customer` and `order`."""
        return Q(customer__in=self.customers) | Q(order__in=self.orders)


Eraser = Callable[[Person], Counts]
_ERASERS: list[tuple[int, Eraser, bool]] = []


def eraser(function: Eraser, order: int, *, copies: bool = False) -> None:
    """Register a function. `copies`: what it erases are copies of the shop's own data, which follow when the shop erases somebody."""
    entry = (order, function, copies)
    if entry not in _ERASERS:
        _ERASERS.append(entry)
        _ERASERS.sort(key=lambda entry: entry[0])


def find(store: Store, email: str, at: datetime) -> Person:
    """Whoever has this address in the store: as customer, on an order, or nowhere but in a room of its own (a consent, a ticket)."""
    email = email.strip().lower()
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    people = Customer.objects.for_store(store)
    known = people.with_email(email)
    return _person(store, at, people.filter(Q(pk__in=known) | Q(joined_to__in=known)), {email})


def of_customer(customer: Customer, at: datetime) -> Person:
    """A customer, with the guests who were joined to it."""
    people = Customer.objects.for_store(customer.store)
    same = Q(pk=customer.pk) | Q(joined_to=customer)
    if customer.email and customer.erased_at is None:
        same |= Q(email=customer.email)
    return _person(customer.store, at, people.filter(same), set())


def _person(store, at, people, emails) -> Person:
    rows = list(people.values_list("pk", "woo_id", "email", "erased_at"))
    emails = frozenset(emails | {email for _pk, _woo_id, email, erased_at in rows if email and erased_at is None})
    customers = frozenset(pk for pk, *_rest in rows)
    orders = Order.objects.for_store(store).filter(Q(customer__in=customers) | Q(billing_email__in=emails))
    numbers = dict(orders.values_list("pk", "woo_id"))
    return Person(
        store=store,
        at=at,
        emails=emails,
        customers=customers,
        customer_numbers=frozenset(woo_id for _pk, woo_id, *_rest in rows if woo_id),
        orders=frozenset(numbers),
        order_numbers=frozenset(numbers.values()),
    )


@transaction.atomic
def erase(person: Person, *, by: User | None = None) -> Erasure:
    """Have every room erase the person; all or nothing. Returns the record of it."""
    lock_mirror(person.store)
    customer = Customer.objects.filter(pk__in=person.customers).order_by("joined_to", "pk").first()
    found: Counter = Counter()
    for _order, function, copies in _ERASERS:
        if copies or not person.followed_shop:
            found.update({name: count for name, count in function(person).items() if count})
    erasure = Erasure.objects.create(
        store=person.store,
        customer=customer,
        by=by,
        followed_shop=person.followed_shop,
        found=dict(found),
        erased_at=person.at,
    )
    data = {"followed_shop": person.followed_shop}
    record("person.erased", person.store, erasure.pk, customer=customer, data=data, occurred_at=person.at)
    return erasure


def preview(person: Person) -> Counts:
    """What `erase` would find. It is done and taken back, so that no second list of tables can differ from the first."""
    with transaction.atomic():
        found = erase(person).found
        transaction.set_rollback(True)
    return found


def still_in_shop(person: Person) -> Counts:
    """What the shop itself still has of the person: what changes there comes back here."""
    orders = Order.objects.existing().filter(pk__in=person.orders).exclude(billing_email="")
    accounts = Customer.objects.existing().filter(pk__in=person.customers).exclude(woo_id=None)
    return {"orders": orders.count(), "accounts": accounts.count()}


def follow_shop(store: Store, order_ids: Iterable[int], customer_ids: Iterable[int], at: datetime) -> Erasure | None:
    """The shop has erased the personal data of these orders, or deleted these customers' accounts: have old copies follow.

    A customer's own row follows once no order and no account of the shop says who it is.
    """
    lock_mirror(store)
    orders = dict(Order.objects.for_store(store).filter(pk__in=order_ids).values_list("pk", "woo_id"))
    named = Order.objects.for_store(store).exclude(billing_email="")
    customers = []
    for customer in Customer.objects.for_store(store).filter(pk__in=customer_ids, erased_at=None):
        has_account = customer.woo_id is not None and customer.deleted_at is None
        still_named = named.filter(Q(customer=customer) | Q(billing_email=customer.email or "-"))
        if not has_account and not still_named.exists():
            customers.append(customer)
    if not orders and not customers:
        return None
    return erase(
        Person(
            store=store,
            at=at,
            emails=frozenset(customer.email for customer in customers if customer.email),
            customers=frozenset(customer.pk for customer in customers),
            customer_numbers=frozenset(customer.woo_id for customer in customers if customer.woo_id),
            orders=frozenset(orders),
            order_numbers=frozenset(orders.values()),
            followed_shop=True,
        )
    )
