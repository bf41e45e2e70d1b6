"""The doors by which a person is erased, and what follows when the shop does it."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders import erasing
from crm.orders.models import Customer, Erasure, Order, OrderNote
from crm.stores.models import User
from crm.woocommerce import sync
from crm.woocommerce.models import WebhookDelivery
from crm.work import drain
from loyalty.models import Account
from postpurchase.demo import server
from tests.factories import (
    NOW,
    make_customer,
    make_delivery,
    make_guest,
    make_order,
    make_program,
    make_referral,
    make_staff,
    make_store,
)

from .tables import tables_with

pytestmark = pytest.mark.django_db
EMAIL = "meera@mail.example"


def test_a_mail_that_waits_is_not_sent_to_somebody_who_was_erased(store, mailoutbox):
    guest = make_guest(store, email=EMAIL)
    make_order(store, guest)
    from crm.messaging.outbox import queue

    queue(store, "thank-you", "order:1", customer=guest)

    erasing.erase(erasing.find(store, EMAIL, NOW))
    drain.drain_all()

    assert mailoutbox == []
    assert not Message.objects.exists()


def test_of_a_friend_who_was_invited_and_of_where_a_member_was_seen_nothing_is_left(store):
    from loyalty.models import JoinLink, Sighting

    member = make_customer(store)
    again = EMAIL.replace("@", "+tea@")
    for email in (again, "other@mail.example"):
        referral = make_referral(member, friend_email=email, network_hash="seen", decision=f"Lives with {email}")
    Sighting.objects.create(store=store, customer=member, network_hash="seen", device_hash="seen")
    JoinLink.objects.create(store=store, email=EMAIL, language="en", state="done")

    erasing.erase(erasing.find(store, EMAIL, NOW))
    assert not tables_with(EMAIL) and not tables_with(again)
    referral.refresh_from_db()
    assert (referral.friend_email, referral.network_hash) == ("other@mail.example", "seen")
    erasing.erase(erasing.of_customer(member, NOW))
    assert not tables_with("seen") and not tables_with("Lives with")


def test_of_the_words_that_staff_sent_into_the_shop_nothing_is_left_in_the_log(client, store):
    order = make_order(store, make_guest(store, email=EMAIL))
    page = reverse("admin:orders_order_add_note", args=[order.pk])
    client.force_login(make_staff(store))
    cause = str(client.get(page).context["form"]["cause"].value())
    client.post(page, {"cause": cause, "note": "Meera rang twice"})
    assert tables_with("Meera rang twice")

    found = erasing.erase(erasing.find(store, EMAIL, NOW)).found

    assert (found["Entries of the admin's log"], tables_with("Meera rang twice")) == (1, set())


def test_a_customer_of_two_shops_still_signs_in_at_the_other(store):
    other = make_store()
    for shop in (store, other):
        make_customer(shop, email=EMAIL)
    User.objects.create(email=EMAIL)

    erasing.erase(erasing.find(store, EMAIL, NOW))
    assert User.objects.filter(email=EMAIL).exists()
    erasing.erase(erasing.find(other, EMAIL, NOW))
    assert not User.objects.filter(email=EMAIL).exists()


def test_the_command_counts_before_it_erases(store, capsys):
    make_order(store, make_customer(store, email=EMAIL))

    call_command("erase_person", store.slug, EMAIL.upper(), "--dry-run")
    told = capsys.readouterr()
    assert tables_with(EMAIL)
    call_command("erase_person", store.slug, EMAIL)
    done = capsys.readouterr()

    assert "Customers" in told.out and "Nothing was erased." in told.out
    assert "1 orders" in told.err and "Tools" in told.err
    assert "Erased." in done.out
    assert not tables_with(EMAIL)
    with pytest.raises(CommandError, match="knows nobody"):
        call_command("erase_person", store.slug, EMAIL)


def test_an_owner_erases_a_person_after_having_seen_what_is_found(client, store):
    customer = make_customer(store, email=EMAIL)
    make_order(store, customer)
    client.force_login(make_staff(store))
    page = reverse("admin:orders_customer_erase", args=[customer.pk])

    shown = client.get(page).content.decode()
    unsure = client.post(page, {})
    assert tables_with(EMAIL)
    done = client.post(page, {"sure": "1"})

    assert "Tools, Erase Personal Data" in shown and "Orders" in shown
    assert (unsure.status_code, done.status_code) == (200, 302)
    assert not tables_with(EMAIL)
    assert Erasure.objects.get().by.is_staff
    [event] = Event.objects.filter(type="person.erased")
    assert event.customer == customer
    assert client.get(reverse("admin:orders_erasure_changelist")).status_code == 200


# The shop erases somebody


@pytest.fixture
def demo():
    with server.running(server.small_shop()) as demo:
        yield demo


def test_when_the_shop_erases_a_person_old_copies_follow(demo, store):
    for name, value in {
        "url": demo.url,
        "consumer_key": demo.key,
        "consumer_secret": demo.secret,
        "insecure": True,
    }.items():
        setattr(store, name, value)
    store.save()
    make_program(store)
    shop = demo.shop
    product = next(row for row in shop.rows["products"].values() if row["type"] == "simple")
    placed = shop.place_order(email=EMAIL, name="Zubeida Patil", lines=[(product["id"], 2)])
    shop.pay(placed["id"])
    sync.run(store)
    drain.drain_all()
    make_delivery(store, {"id": placed["id"], "billing": {"email": EMAIL}}, state="done")
    guest = Customer.objects.get(email=EMAIL)
    points, guests = Account.objects.get(customer=guest).balance, Customer.objects.filter(woo_id=None).count()
    Order.objects.get(woo_id=placed["id"]).notes.create(store=store, woo_id=1, note="Zubeida rang")

    shop.erase_person(EMAIL)
    sync.run(store)

    order = Order.objects.get(woo_id=placed["id"])
    guest.refresh_from_db()
    assert order.billing["email"] == "deleted@site.invalid"
    assert (order.billing_email, order.customer) == ("", guest)
    assert guest.erased_at and guest.name == ""
    assert Customer.objects.filter(woo_id=None).count() == guests
    assert Account.objects.get(customer=guest).balance == points > 0
    assert not WebhookDelivery.objects.exists() and not OrderNote.objects.exists()
    assert Erasure.objects.get().followed_shop
    # What was said to and by the person is not the shop's copy: staff erase that by their own door.
    assert {table for table in tables_with(EMAIL) if table.startswith(("orders_", "woocommerce_"))} == set()
    erasing.erase(erasing.find(store, EMAIL, timezone.now()))
    assert tables_with(EMAIL) == set()
    assert tables_with("Zubeida") == set()


def test_who_is_named_on_another_order_is_not_forgotten_for_the_one_that_was_erased(store):
    from crm.woocommerce.saving import save_orders
    from tests.crm.woocommerce.payloads import guest_order

    save_orders(store, [guest_order(EMAIL, woo_id=1), guest_order(EMAIL, woo_id=2)], NOW)
    erased = guest_order("deleted@site.invalid", woo_id=1, at="2026-06-20T12:00:00")

    save_orders(store, [erased], NOW)

    guest = Customer.objects.get(email=EMAIL)
    assert guest.erased_at is None
    assert set(guest.orders.values_list("woo_id", flat=True)) == {1, 2}
