"""A person's questions and the answers, erased; that they were asked and how soon they were answered stays."""

from django.db.models import Q

from crm.orders.erasers import GONE, staff_log
from crm.orders.erasing import Counts, Person
from crm.orders.models import Customer

from .models import Message, Ticket


def tickets(person: Person) -> Counts:
    """Notes among staff, too: they are about somebody. The case of the admin's log names rows by their words."""
    rows = Ticket.objects.for_store(person.store).filter(person.about | Q(email__in=person.emails))
    pks = list(rows.values_list("pk", flat=True))
    messages = Message.objects.filter(ticket__in=pks).exclude(body=GONE).update(body=GONE)
    count = rows.exclude(subject=GONE, email="").update(subject=GONE, email="", language="")
    logged = staff_log(Ticket, pks, "object_repr") + staff_log(Customer, person.customers, "object_repr")
    return {"Tickets": count, "Ticket messages": messages, "Entries of the admin's log": logged}
