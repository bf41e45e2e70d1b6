import pytest
from django.core.management import call_command
from django.utils import timezone

from loyalty.models import Account, Program, Reward, TierStanding
from support.models import Ticket
from tests.factories import make_customer, make_order, make_product, make_store

pytestmark = pytest.mark.django_db


def test_the_demo_has_a_brand_points_and_tickets_and_is_furnished_once():
    store = make_store()
    Program.objects.get_or_create(store=store)
    make_product(store, price=190)
    for _ in range(5):
        make_order(store, make_customer(store), lines=[{}], total=12000, date_paid_gmt=timezone.now())

    call_command("furnish_demo", store.slug)
    call_command("furnish_demo", store.slug)

    store.refresh_from_db()
    assert store.contact_phone
    assert Ticket.objects.for_store(store).count() == 5
    assert Ticket.objects.for_store(store).filter(first_responded_at=None).count() == 2
    assert Account.objects.for_store(store).points().filter(balance__gt=0).count() == 5
    assert Account.objects.for_store(store).credit().filter(balance=25_000).count() == 3
    assert Reward.objects.for_store(store).count() == 10
    assert TierStanding.objects.filter(store=store, tier__key="cardamom").count() == 5
