"""Codes whose time is over are taken out of the shop, whose list of coupons would be full of them after a year."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat, Lower

from crm.orders.models import Coupon, Order
from crm.stores.models import Store
from crm.woocommerce.models import Push

from . import codes
from .models import Redemption

# So long somebody who comes too late can be helped: the shop sets the day of its coupon forward, by hand.
KEPT = timedelta(days=30)
# In a night. The outbox asks the shop for one after the other.
BATCH = 500


@transaction.atomic
def clear(store: Store, at: datetime) -> int:
    """Owe the shop the removal of coupons that nobody used until `KEPT` after their last day; returns of how many. The rows here stay.

    What the shop has prolonged or has no more is left alone, what waits in an order that is not paid yet, and what was asked for before: it may
    have been fetched back. The outbox looks once more whether a coupon was used or prolonged. What store credit or a reward that gives its points
    back was spent for comes back with it, where the shop could not be asked in time.
    """
    before = at - KEPT
    unused = Coupon.objects.filter(store=store, code=Lower(OuterRef("code")), deleted_at=None, usage_count=0)
    key = Concat(Value("redemption:"), Cast(OuterRef("pk"), CharField()), Value(codes.CLEARED))
    asked = Push.objects.filter(store=store, kind="coupon_removal", key=key)
    # To the shop such an order uses the code.
    waiting = (
        Order.objects.for_store(store).filter(coupon_codes__contains=[Lower(OuterRef("code"))]).exclude(codes.FREED)
    )
    over = Redemption.objects.for_store(store).filter(state=Redemption.State.EXPIRED, expires_at__lt=before)
    due = over.exclude(code="").filter(Exists(unused.filter(date_expires_gmt__lt=before)), ~Exists(asked))
    due = due.exclude(Exists(waiting))
    rows = list(due.order_by("pk")[:BATCH])
    for redemption in rows:
        redemption.store = store
        codes.clear(redemption, before, at)
    return len(rows)
