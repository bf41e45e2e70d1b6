"""A member's birthday, erased. The ledger stays: its entries name orders and sums, and nobody any more."""

from crm.orders.erasing import Counts, Person

from .models import Birthday


def members(person: Person) -> Counts:
    return {"Birthdays": Birthday.objects.filter(customer__in=person.customers).delete()[0]}
