"""Customers as people: the guest and the registered customer who proved to be one, and where they live."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from crm.events.recording import record
from crm.stores.models import Store

from .locking import lock_mirror
from .models import Customer, Order

ADDRESS_FIELDS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "postcode",
    "city",
    "state",
    "country",
)
# Nobody's addresses are worth reading a thousand orders.
ORDERS_LOOKED_AT = 200


@transaction.atomic
def join_guest(store: Store, email: str, at: datetime) -> Customer | None:
    """Somebody proved that the address is theirs: what they ordered as a guest, or with an account that they deleted, belongs to them.

    Returns the customer who has it from now on (the registered one, or else the guest), or None if there is nothing to join. An address
    counts as proven only by a code sent there; that a shop's account carries it proves nothing.
    """
    if not email.strip():
        return None
    lock_mirror(store)
    people = Customer.objects.for_store(store).with_email(email).filter(joined_to=None)
    people.existing().update(email_verified_at=at)
    guests, accounts = people.existing().filter(woo_id=None), people.exclude(woo_id=None)
    person = accounts.existing().order_by("woo_id").first() or guests.first()
    joining = [row for row in [*guests, *accounts.exclude(deleted_at=None).order_by("pk")] if row != person]
    if person is None or not joining:
        return None
    for row in joining:
        # Whoever was joined to this one before comes along.
        Customer.objects.filter(Q(pk=row.pk) | Q(joined_to=row)).update(joined_to=person)
        Order.objects.filter(customer=row).update(customer=person)
        data = {"guest_id": row.pk, "customer_id": person.pk}
        record("customer.joined", store, row.pk, customer=person, data=data, occurred_at=at)
    return person


@transaction.atomic
def make_guest(store: Store, email: str, language: str, at: datetime) -> Customer:
    """A guest for an address (lower case) that its owner has proven; the one that there is, if there is one."""
    lock_mirror(store)
    guest, is_new = Customer.objects.get_or_create(
        store=store, email=email, woo_id=None, defaults={"language": language, "email_verified_at": at}
    )
    if is_new:
        record("customer.created", store, guest.pk, customer=guest, occurred_at=at)
    return guest


def addresses(customer: Customer) -> list[dict[str, str]]:
    """A customer's different postal addresses, the one that was used last first; each has WooCommerce's address fields."""
    used = Order.objects.filter(customer=customer).order_by("-date_created_gmt", "-pk")
    found = [address for pair in used.values_list("shipping", "billing")[:ORDERS_LOOKED_AT] for address in pair]
    different: dict[tuple, dict] = {}
    for address in [*found, customer.shipping, customer.billing]:
        fields = {name: str(address.get(name) or "").strip() for name in ADDRESS_FIELDS}
        if fields["address_1"] or fields["city"]:
            different.setdefault(tuple(" ".join(value.casefold().split()) for value in fields.values()), fields)
    return list(different.values())
