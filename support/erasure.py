"""Asking to be erased: a question to the staff like any other, which is theirs to answer within a month.

The shop is where the orders are, and what it still has comes back here when it changes: so a person has to erase somebody there first. Whether the law
has something kept is also theirs to say.
"""

from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores import links
from crm.stores.models import Store

from . import tickets
from .models import Ticket

CAUSE = "erasure:"
FOR_STAFF = """The customer asks to have their data deleted. Within a month, by law in many places:
1. Look at open orders, refunds and claims, and at what has to be kept. Ask back here if something is unclear.
2. In WordPress: Tools, Erase Personal Data, for this address. What the shop still has would come back.
3. Here: “Erase this person” on the customer's page: {page}
This conversation is emptied by that, too."""


def asked(store: Store, customers, email: str) -> Ticket | None:
    """The question that is open, if the person has asked."""
    theirs = Ticket.objects.of_person(store, customers, email).active()
    return theirs.filter(cause__startswith=CAUSE).order_by("-pk").first()


@transaction.atomic
def ask(store: Store, customer: Customer, customers, email: str, language: str, at: datetime) -> Ticket:
    """Tell the staff, and the person that it arrived. Asked twice it is one question; once that is answered, it can be asked anew."""
    # Two presses at once: the second waits, and finds the first one's question.
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if ticket := asked(store, customers, email):
        return ticket
    before = Ticket.objects.for_store(store).filter(cause__startswith=f"{CAUSE}{customer.pk}:").count()
    ticket = tickets.open(
        store,
        subject=_("Delete my data"),
        text=_("Please delete what you keep about me."),
        priority=Ticket.Priority.HIGH,
        channel=Ticket.Channel.PORTAL,
        customer=customer,
        email=email,
        language=language,
        cause=f"{CAUSE}{customer.pk}:{before}",
        at=at,
    )
    page = links.address(reverse("admin:orders_customer_change", args=[customer.pk]))
    tickets.note(ticket, None, FOR_STAFF.format(page=page), cause=f"{CAUSE}note", at=at)
    return ticket
