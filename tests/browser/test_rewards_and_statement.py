"""The member's rewards, codes and statement in a browser without scripts, on a narrow phone: everything is found, chosen and read."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty import ledger
from loyalty.models import Lot, Redemption
from tests.factories import (
    make_account,
    make_customer,
    make_product,
    make_program,
    make_redemption,
    make_reward,
    make_store,
    make_tier,
    sign_in,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Masala-Chai-Geschenkpackung-mit-Kardamom-und-Zimtstangen"


@pytest.fixture
def account():
    """Somebody with a reward in each state, a code in each, and more movements than a page has."""
    store = make_store(slug="masala")
    program = make_program(store, expiry="lot")
    account = make_account(make_customer(store), 1500)
    cheap = make_reward(store, 100, name="Cheap", position=3, description=LONG, minimum_order=Decimal(500))
    make_reward(store, 900, position=1, kind="product", amount=None, product=make_product(store, name=LONG))
    make_reward(store, 10**9, name="Dear", position=2)
    make_reward(store, 50, kind="exchange", amount=Decimal(10), step=50, position=4)
    make_reward(store, 20, name="For few", tier=make_tier(program, LONG, 9000, key="gold"), position=5)
    for state in Redemption.State.values:
        back = {"returned": ledger.post(account, "adjust", 1, state)} if state in ("failed", "returned") else {}
        last = timezone.now() + timedelta(days=90)
        make_redemption(account, cheap, code=f"MASALA-7F3KQ-{state.upper()}", state=state, expires_at=last, **back)
    for number in range(25):
        ledger.post(account, "adjust", 1_000_000 + number, f"gift:{number}", note=f"Gift {number}. {LONG}")
    ledger.redeem(account, 250, "redemption:x")
    Lot.objects.update(expires_at=timezone.now() + timedelta(days=40))
    return account


@pytest.fixture
def phone(browser, live_server, client, account):
    sign_in(client, account.customer.email)
    screen = {"width": 320, "height": 700}
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, viewport=screen)
    context.set_default_timeout(15_000)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    yield context.new_page()
    context.close()


def fits(phone):
    return phone.evaluate("document.documentElement.scrollWidth") <= 320 and phone.locator("h1").count() == 1


def test_a_reward_is_found_and_taken_without_scripts(phone, account):
    phone.goto("/s/masala/rewards/")
    assert fits(phone)
    phone.get_by_role("navigation", name="Which rewards").get_by_role("link", name="I can afford").press("Enter")

    assert "Rewards you can afford" in phone.title() and fits(phone)
    assert phone.get_by_text("Dear").count() == 0
    phone.get_by_role("link", name="Choose this Cheap").press("Enter")
    assert fits(phone)
    phone.get_by_role("button", name="Get the code").click()

    assert phone.get_by_text("The shop is making your code.").is_visible() and fits(phone)
    assert Redemption.objects.filter(state="pending").count() == 2
    phone.goto("/s/masala/rewards/codes/")
    for group in ("Used", "Expired", "Handed back", "To use"):
        phone.get_by_role("navigation", name="Which codes").get_by_role("link", name=group).click()
        assert phone.get_by_role("heading", level=2, name=group).count() == 1 and fits(phone), group
    assert phone.get_by_text("MASALA-7F3KQ-READY").is_visible()


def test_the_statement_is_searched_without_scripts_and_reflows(phone, account):
    phone.goto("/s/masala/points/statement/")
    assert fits(phone)
    # Each cell has its name beside it, and a table is one to a screen reader all the same.
    row = phone.get_by_role("row").nth(1)
    assert [cell.get_attribute("data-label") for cell in row.get_by_role("cell").all()[1:3]] == [
        "Points",
        "Balance after",
    ]
    assert phone.get_by_role("columnheader").count() == 4
    phone.get_by_label("Movement").select_option("corrected")
    phone.get_by_label("Time").select_option("30")
    phone.get_by_role("button", name="Show", exact=True).click()

    assert phone.get_by_role("heading", name="Newest movements: Corrected, The last 30 days").is_visible()
    phone.get_by_role("link", name="Older").click()

    assert phone.get_by_role("heading", name="Older movements: Corrected, The last 30 days").is_visible() and fits(
        phone
    )
    phone.get_by_text("Why? Adjusted by the shop").first.click()
    assert phone.get_by_text("Gift 5.").or_(phone.get_by_text("Gift 4.")).first.is_visible() and fits(phone)
    with phone.expect_download() as download:
        phone.get_by_role("link", name="Newest").click()
        phone.get_by_role("link", name="Download as a table").click()
    assert "kind=corrected" in download.value.url and download.value.suggested_filename == "points-masala.csv"
