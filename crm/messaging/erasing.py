"""What was written to a person, and whether they wanted it, erased."""

from django.db.models import Q, TextField, Value
from django.db.models.functions import Cast, Concat

from crm.orders.erasing import Counts, Person
from crm.work.models import DueWork

from . import consent
from .models import DeliveryReport, MailboxMessage, Message, Suppression


def messages(person: Person) -> Counts:
    """That a mail was sent stays, for it must not be sent again; to whom and what does not. What waits is not sent."""
    rows = Message.objects.for_store(person.store).filter(person.about | Q(recipient__in=person.emails))
    waiting, _by_table = rows.filter(state__in=[DueWork.State.DUE, DueWork.State.PARKED]).delete()
    sent = rows.exclude(subject="", text="", recipient__startswith="erased ").update(
        # Each its own, since the same reason is said to nobody twice.
        recipient=Concat(Value("erased "), Cast("pk", TextField()), output_field=TextField()),
        subject="",
        text="",
        html="",
        context={},
        provider_id="",
        error="",
    )
    return {"Mails": waiting + sent}


def addresses(person: Person) -> Counts:
    found = {"Consents": consent.erase(person.store, person.emails)}
    for name, rows in (
        ("Suppressed addresses", Suppression.objects.filter(store=person.store, email__in=person.emails)),
        ("Delivery reports", DeliveryReport.objects.filter(recipient__in=person.emails)),
        ("Mails in the local mailbox", MailboxMessage.objects.filter(_any_of(person.emails))),
    ):
        found[name] = rows.delete()[0]
    return found


def _any_of(emails):
    named = Q(pk=None)
    for email in emails:
        named |= Q(recipients__icontains=email)
    return named
