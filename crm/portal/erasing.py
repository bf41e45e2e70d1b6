"""A person's way in, erased: the account that proves an address, its sessions, codes that were mailed."""

from django.contrib.sessions.models import Session

from crm.orders.erasing import Counts, Person
from crm.orders.models import Customer
from crm.stores.models import User

from .models import SignInCode


def sign_in(person: Person) -> Counts:
    codes, _by_table = SignInCode.objects.filter(store=person.store, email__in=person.emails).delete()
    # Somebody who is a customer elsewhere signs in there with the same address.
    elsewhere = Customer.objects.exclude(store=person.store).filter(email__in=person.emails, erased_at=None)
    others = set(elsewhere.values_list("email", flat=True))
    users = User.objects.filter(email__in=person.emails - others, is_staff=False)
    count = users.count()
    users.delete()
    return {"Sign-in codes": codes, "Accounts for signing in": count, "Sessions": _end_sessions(person.emails)}


def _end_sessions(emails: frozenset[str]) -> int:
    """Sessions are unreadable to the database; of those that last there are few enough to open each."""
    ended = []
    for session in Session.objects.iterator():
        words = str(session.get_decoded()).lower()
        if any(email in words for email in emails):
            ended.append(session.pk)
    Session.objects.filter(pk__in=ended).delete()
    return len(ended)
