"""What signing in has left behind of a person."""

from collections.abc import Iterator

from crm.orders.erasing import Person
from crm.stores.models import User


def sign_in(person: Person) -> Iterator[dict]:
    for user in User.objects.filter(email__in=person.emails).order_by("pk"):
        yield {"email": user.email, "since": user.date_joined, "last_signed_in_at": user.last_login}
