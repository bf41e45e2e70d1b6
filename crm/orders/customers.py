"""Customers as people: the guest and the registered customer who proved to be one, and where they live."""

from datetime import datetime

from django.db import transaction

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
    """Somebody proved that the address is theirs: what they ordered as a guest belongs to their account from now on.

    Returns the registered customer that the guest was joined to, or None if there is nothing to join. An address counts as proven only by
    a code sent there; that a shop's account carries it proves nothing.
    """
    if not email.strip():
        return None
    lock_mirror(store)
    people = Customer.objects.for_store(store).with_email(email).existing()
    people.update(email_verified_at=at)
    guest = people.filter(woo_id=None, joined_to=None).first()
    registered = people.exclude(woo_id=None).order_by("woo_id").first()
    if guest is None or registered is None:
        return None
    guest.joined_to = registered
    guest.save(update_fields=["joined_to"])
    Order.objects.filter(customer=guest).update(customer=registered)
    data = {"guest_id": guest.pk, "customer_id": registered.pk}
    record("customer.joined", store, guest.pk, customer=registered, data=data, occurred_at=at)
    return registered


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
