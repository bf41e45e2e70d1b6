"""What the programme keeps of a person, erased. The ledger stays: its entries name orders, rewards and sums, and nobody any more."""

from crm.orders.erasing import Counts, Person

from .models import Birthday, Redemption


def members(person: Person) -> Counts:
    return {"Birthdays": Birthday.objects.filter(customer__in=person.customers).delete()[0]}


def redemptions(person: Person) -> Counts:
    """What the shop said of a coupon may name whom it was for. The code stays: it is the reason of an entry."""
    rows = Redemption.objects.for_store(person.store).filter(account__customer__in=person.customers).exclude(error="")
    return {"Redemptions": rows.update(error="")}
