import pytest

from postpurchase.demo import server
from tests.factories import make_credit, make_customer, make_store


@pytest.fixture
def shop():
    with server.running() as demo:
        yield demo


@pytest.fixture
def at_shop(shop):
    """₹25.00 of credit, of somebody in a shop that answers."""
    keys = {"url": shop.url, "consumer_key": shop.key, "consumer_secret": shop.secret, "insecure": True}
    return make_credit(
        make_customer(make_store(slug="masala", name="Masala House", **keys), email="asha@mail.example"), 2500
    )
