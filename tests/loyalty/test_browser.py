from decimal import Decimal

import pytest
from django.test import Client

from loyalty import earning, ledger
from tests.factories import make_customer, make_order, make_program, make_staff, make_store, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def be(page, client, live_server):
    """Go on as the person whose session this test client has."""
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )


@pytest.mark.parametrize("width", [320, 1280])
def test_the_statement_opens_its_reasons_and_fits_the_screen(page, live_server, client, width):
    store = make_store(slug="masala")
    make_program(store, rate=Decimal("0.1"))
    customer = make_customer(store)
    order = make_order(store, customer, number="ORDER-2026-000000000000001", total=Decimal("1299.00"))
    earning.settle(store, [order.pk], history=True)
    ledger.post(customer.accounts.get(), "adjust", 5, "gift", note="Gift" * 50)
    sign_in(client, customer.email)
    be(page, client, live_server)
    page.set_viewport_size({"width": width, "height": 800})

    page.goto("/s/masala/points/")
    page.get_by_text("Why? Order ORDER-2026-000000000000001").click()

    assert page.get_by_text("rounded down to 129").is_visible()
    page.get_by_text("Why? Adjusted by the shop").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="All of it").click()
    page.get_by_text("Why? Adjusted by the shop").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto("/s/masala/rewards/about/")
    page.get_by_text("Can I leave?").click()
    assert page.get_by_text("Yes, at any time.").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_programmes_example_follows_the_form(page, live_server):
    store = make_store()
    program = make_program(store, rate=Decimal("0.1"))
    staff = Client()
    staff.force_login(make_staff(store))
    be(page, staff, live_server)
    page.goto(f"/admin/loyalty/program/{program.pk}/change/")

    page.fill("[name=rate]", "0.5")

    page.wait_for_function("document.querySelector('[data-example]').textContent.includes('earns 250 points')")
