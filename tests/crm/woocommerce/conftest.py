from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

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


@pytest.fixture
def shop_store_at(db):
    """A shop whose clock goes wrong by so much, and its store."""
    with ExitStack() as stack:

        def open_shop(**wrong):
            clock = [datetime.now(UTC) + timedelta(**wrong)]
            demo = stack.enter_context(server.running(server.small_shop(now=lambda: clock[0])))
            return demo, store_of(demo), clock

        yield open_shop


def store_of(demo, **fields):
    keys = {"url": demo.url, "consumer_key": demo.key, "consumer_secret": demo.secret, "insecure": True}
    return make_store(**keys | fields)
