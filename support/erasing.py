"""A person's questions and the answers, erased; that they were asked and how soon they were answered stays."""

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q

from crm.orders.erasing import Counts, Person
from crm.orders.models import Customer

from .models import Message, Ticket

GONE = "[erased]"


def tickets(person: Person) -> Counts:
    """Notes among staff, too: they are about somebody. The case of the admin's log names rows by their words."""
    rows = Ticket.objects.for_store(person.store).filter(person.about | Q(email__in=person.emails))
    pks = list(rows.values_list("pk", flat=True))
    messages = Message.objects.filter(ticket__in=pks).exclude(body=GONE).update(body=GONE)
    count = rows.exclude(subject=GONE, email="").update(subject=GONE, email="", language="")
    logged = 0
    for model, keys in ((Ticket, pks), (Customer, person.customers)):
        entries = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(model), object_id__in=[str(key) for key in keys]
        )
        logged += entries.exclude(object_repr=GONE).update(object_repr=GONE)
    return {"Tickets": count, "Ticket messages": messages, "Entries of the admin's log": logged}
