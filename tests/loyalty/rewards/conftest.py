import pytest

from postpurchase.demo import server
from tests.factories import make_account, make_customer, make_program, make_reward, make_store, sign_in


@pytest.fixture
def store():
    store = make_store(slug="masala", name="Masala House")
    make_program(store)
    return store


@pytest.fixture
def account(store):
    return make_account(make_customer(store, email="asha@mail.example"), 250)


@pytest.fixture
def reward(store):
    return make_reward(store, 100)


@pytest.fixture
def shop():
    with server.running() as demo:
        yield demo


@pytest.fixture
def at_shop(shop):
    keys = {"url": shop.url, "consumer_key": shop.key, "consumer_secret": shop.secret, "insecure": True}
    store = make_store(slug="masala", name="Masala House", **keys)
    make_program(store)
    return make_account(make_customer(store, email="asha@mail.example"), 250)


@pytest.fixture
def visit(client, account):
    sign_in(client, account.customer.email)
    return lambda path="", **form: (
        client.post(f"/s/masala/rewards/{path}", form) if form else client.get(f"/s/masala/rewards/{path}")
    )
