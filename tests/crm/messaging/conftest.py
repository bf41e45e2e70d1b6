import pytest

from crm.messaging import kinds
from tests.factories import make_customer, make_order, make_product, make_store


@pytest.fixture
def store(db):
    return make_store(
        name="Masala House",
        contact_email="help@masala.example",
        contact_phone="+91 20 12345",
        contact_hours="Mon to Sat",
    )


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@mail.example")


@pytest.fixture
def order(store, customer):
    product = make_product(store, name="Brass diya", image_url="https://masala.example/diya.jpg")
    lines = [{"product": product, "quantity": 2, "subtotal": 100, "total": 100}]
    shipping = {"address_1": "14 Laxmi Road", "city": "Pune", "postcode": "411030"}
    return make_order(store, customer, lines=lines, number="1234", shipping=shipping)


@pytest.fixture
def news():
    """A kind of marketing."""
    kept = dict(kinds.KINDS)
    kinds.register("news", template="messaging/thank_you", purpose=kinds.Purpose.MARKETING, label="News")
    yield "news"
    kinds.KINDS.clear()
    kinds.KINDS.update(kept)
