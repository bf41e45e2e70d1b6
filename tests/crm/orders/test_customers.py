import pytest

from crm.events.models import Event
from crm.orders.customers import addresses, join_guest
from tests.factories import NOW, make_customer, make_guest, make_order, make_store

EMAIL = "asha@shop.example"


def test_a_guest_who_proves_the_address_is_joined_to_the_account_with_it(store):
    guest, account = make_guest(store, email=EMAIL), make_customer(store, email=EMAIL)
    order = make_order(store, guest)

    assert join_guest(store, " Asha@shop.example", NOW) == account

    order.refresh_from_db()
    guest.refresh_from_db()
    account.refresh_from_db()
    assert order.customer == guest.joined_to == account
    assert guest.email_verified_at == account.email_verified_at == NOW
    event = Event.objects.get(type="customer.joined")
    assert (event.key, event.customer) == (str(guest.pk), account)
    assert event.data == {"guest_id": guest.pk, "customer_id": account.pk}


def test_joining_twice_does_nothing(store):
    make_guest(store, email=EMAIL), make_customer(store, email=EMAIL)
    join_guest(store, EMAIL, NOW)

    assert join_guest(store, EMAIL, NOW) is None
    assert Event.objects.count() == 1


@pytest.mark.parametrize("make", [make_guest, make_customer])
def test_one_alone_is_only_marked_as_proven(store, make):
    person = make(store, email=EMAIL)

    assert join_guest(store, EMAIL, NOW) is None

    person.refresh_from_db()
    assert person.email_verified_at == NOW and person.joined_to is None


def test_nobody_of_another_store_or_address_is_touched(store):
    others = [
        make_guest(make_store(), email=EMAIL),
        make_guest(store, email="meera@shop.example"),
        make_customer(store, email="", woo_id=900),
    ]
    make_customer(store, email=EMAIL)

    assert join_guest(store, EMAIL, NOW) is None
    assert join_guest(store, "", NOW) is None

    for other in others:
        other.refresh_from_db()
        assert other.joined_to is None and other.email_verified_at is None


def test_a_deleted_account_takes_nobody_in(store):
    guest, gone = make_guest(store, email=EMAIL), make_customer(store, email=EMAIL, deleted_at=NOW)

    assert join_guest(store, EMAIL, NOW) == guest

    guest.refresh_from_db(), gone.refresh_from_db()
    assert (guest.joined_to, gone.joined_to) == (None, guest)


def test_addresses_are_told_once_each_the_last_used_first(store, django_assert_num_queries):
    home = {"first_name": "Asha", "address_1": "1 Laxmi Road", "city": "Pune", "country": "IN", "email": EMAIL}
    gift = {"first_name": "Meera", "address_1": "9 Park St", "city": "Kolkata", "country": "IN"}
    customer = make_customer(store, billing=home | {"address_1": "1  LAXMI road "}, shipping={})
    make_order(store, customer, billing=home, shipping=gift)
    make_order(store, customer, billing=home, shipping=home)

    with django_assert_num_queries(1):
        found = addresses(customer)

    assert [address["first_name"] for address in found] == ["Asha", "Meera"]
    assert "email" not in found[0]
