"""Points for a complete profile, once: name, telephone and address as the shop knows them, and the birthday, which is entered here."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from crm.orders.models import Customer
from crm.stores.models import Store
from crm.work.batches import batched

from . import occasions
from .models import Birthday, LedgerEntry, Occasion
from .occasions import Fact

KEY = "1"
BATCH = 500
_SAID = r"\S"
_COMPLETE = (
    Q(first_name__regex=_SAID, last_name__regex=_SAID)
    & (Q(phone__regex=_SAID) | Q(billing__phone__regex=_SAID))
    & Q(billing__address_1__regex=_SAID, billing__city__regex=_SAID, billing__country__regex=_SAID)
)


def missing(customer: Customer, birthday: Birthday | None) -> list[str]:
    """What is not known yet, in words; nothing if the profile is complete."""
    address = customer.billing or {}
    known = {
        _("your first and last name"): customer.first_name.strip() and customer.last_name.strip(),
        _("your telephone number"): customer.phone.strip() or str(address.get("phone") or "").strip(),
        _("your address"): all(str(address.get(part) or "").strip() for part in ("address_1", "city", "country")),
        _("your birthday"): birthday,
    }
    return [what for what, is_known in known.items() if not is_known]


def reward(store: Store, at: datetime, customer_ids: Iterable[int] | None = None) -> int:
    """Give the points for the profiles that are complete, of all customers or these; returns how many. Safe to repeat."""
    if not occasions.points_for(store, Occasion.Kind.PROFILE):
        return 0
    had = LedgerEntry.objects.filter(
        account__customer=OuterRef("pk"), cause=occasions.cause(Occasion.Kind.PROFILE, KEY)
    )
    ready = Customer.objects.for_store(store).current().filter(_COMPLETE, ~Exists(had), birthday__isnull=False)
    if customer_ids is not None:
        ready = ready.filter(pk__in=customer_ids)
    given = 0
    for batch in batched(ready.order_by("pk").values_list("pk", flat=True).iterator(), BATCH):
        given += len(occasions.award(store, Occasion.Kind.PROFILE, [Fact(pk, KEY, at) for pk in batch]))
    return given
