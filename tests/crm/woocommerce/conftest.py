import pytest

from postpurchase.demo import server
from tests.factories import make_store


@pytest.fixture
def demo():
    """A pretend shop with some orders in every status, refunds among them, open for the time of the test."""
    shop = server.year_shop(customers=8, orders=24)
    for order in [row["id"] for row in shop.rows["orders"].values() if row["status"] == "completed"][:3]:
        shop.refund(order, amount="10.00")
    with server.running(shop) as demo:
        yield demo


@pytest.fixture
def shop_store(db, demo):
    """The store that mirrors it."""
    return store_of(demo)


def store_of(demo, **fields):
    keys = {"url": demo.url, "consumer_key": demo.key, "consumer_secret": demo.secret, "insecure": True}
    return make_store(**keys | fields)
