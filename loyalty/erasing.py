"""What the programme keeps of a person, erased. The ledger stays: its entries name orders, rewards and sums, and nobody any more."""

from django.db.models import Model, Q, TextField, Value
from django.db.models.functions import Cast, Concat

from crm.messaging.models import Message
from crm.orders.erasers import NOBODY, staff_log
from crm.orders.erasing import Counts, Person
from crm.work.models import DueWork

from . import ledger, referrals
from .models import (
    Account,
    Adjustment,
    BalanceImport,
    Birthday,
    CreditAccount,
    Freeze,
    Gift,
    ImportRow,
    JoinLink,
    LedgerEntry,
    Member,
    Redemption,
    Referral,
    Sighting,
)


def log(person: Person) -> Counts:
    """The admin's log names these rows by whose they are, and says why an account was frozen, points were taken, a gift card was ended.

    Runs before the invitations forget by whom they are found.
    """
    of_account, of_customer = Q(account__customer__in=person.customers), Q(customer__in=person.customers)
    friends = referrals.of_friend(person.emails) | Q(member__in=person.customers)
    about: list[tuple[type[Model], Q]] = [
        (Account, of_customer), (CreditAccount, of_customer), (Member, of_customer), (Adjustment, of_account),
        (Redemption, of_account), (Referral, friends),
    ]  # fmt: skip
    found = 0
    for model, theirs in about:
        keys = model._default_manager.filter(theirs, store=person.store).values_list("pk", flat=True)
        found += staff_log(model, keys, "object_repr", "change_message")
    return {"Entries of the admin's log": found}


def members(person: Person) -> Counts:
    """Who invited whom stays, and who of them was the person does not; nor from where they came."""
    asked = JoinLink.objects.filter(store=person.store, email__in=person.emails)
    seen = Sighting.objects.filter(store=person.store, customer__in=person.customers)
    friends = Referral.objects.for_store(person.store).filter(referrals.of_friend(person.emails))
    traces = Referral.objects.for_store(person.store).filter(member__in=person.customers)
    # Staff decided about two people, in words.
    traces.update(network_hash="", device_hash="", decision="")
    # That an account was frozen stays, as the ledger does; why is words about a person.
    frozen = Freeze.objects.for_store(person.store).filter(customer__in=person.customers)
    return {
        "Frozen accounts": frozen.exclude(reason="", note="").update(reason="", note=""),
        "Birthdays": Birthday.objects.filter(customer__in=person.customers).delete()[0],
        "Links to join": asked.delete()[0],
        "Sightings": seen.delete()[0],
        "Invitations": friends.update(
            # Each its own, since one mailbox is invited once.
            friend_email=Concat(Value(NOBODY), Cast("pk", TextField()), output_field=TextField()),
            mailbox=Concat(Value(NOBODY), Cast("pk", TextField()), output_field=TextField()),
            network_hash="",
            device_hash="",
            decision="",
        ),
    }


def reasons(person: Person) -> Counts:
    """Why points or credit were given or taken are words about a person. How much and when stays."""
    theirs = {"store": person.store, "account__customer__in": person.customers}
    with ledger.erasing():
        entries = LedgerEntry.objects.filter(**theirs).exclude(note="").update(note="")
    asked = Adjustment.objects.filter(**theirs).exclude(reason="").update(reason="")
    return {"Reasons of points": entries + asked}


def redemptions(person: Person) -> Counts:
    """What the shop said of a coupon may name whom it was for. The code stays: it is the reason of an entry."""
    rows = Redemption.objects.for_store(person.store).filter(account__customer__in=person.customers).exclude(error="")
    return {"Redemptions": rows.update(error="")}


def gifts(person: Person) -> Counts:
    """Who gave what to whom with which words, of the giver and of the recipient; and the mail that said it, which names both."""
    given = Q(redemption__account__customer__in=person.customers)
    rows = Gift.objects.for_store(person.store).filter(given | Q(recipient__in=person.emails))
    rows = rows.exclude(sender="", recipient="", message="")
    mails = Message.objects.filter(pk__in=list(rows.filter(mail__isnull=False).values_list("mail", flat=True)))
    # No mail brings these any more: they are the giver's, to hand over.
    unsent = list(mails.filter(state__in=[DueWork.State.DUE, DueWork.State.PARKED]).select_for_update())
    rows.filter(Q(mail__in=unsent) | Q(mail=None)).update(by_mail=False)
    Message.objects.filter(pk__in=[mail.pk for mail in unsent]).delete()
    mails.update(subject="", text="", html="", context={})
    return {"Gift cards": rows.update(sender="", recipient="", message="")}


def imports(person: Person) -> Counts:
    """Rows keep their numbers and points, so that the same file gives nothing a second time. Uploads that wait go as a whole."""
    uploads = 0
    files = BalanceImport.objects.for_store(person.store)
    for email in sorted(person.emails):
        rows, _by_table = files.exclude(text="").filter(text__icontains=email).delete()
        uploads += bool(rows)
    rows = ImportRow.objects.filter(of__store=person.store, email__in=person.emails)
    rows.filter(state=ImportRow.State.WAITING).update(state=ImportRow.State.LEFT_OUT)
    blank = rows.update(email="", note="", value="")
    return {"Uploads of points": uploads, "Imported rows": blank}
