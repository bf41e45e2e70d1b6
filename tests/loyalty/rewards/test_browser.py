"""The rewards as a browser shows them: nothing wider than a phone, and a code that is copied with one press."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.models import Program
from tests.factories import make_redemption, make_reward, make_tier, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shelf(account):
    """One reward in each of the states that a customer may see it in, and a code in each of its own."""
    store = account.store
    gold = make_tier(Program.objects.get(), "Gold with a rather long name", 9000, key="gold")
    first = make_reward(store, 100, description="For your next festival order", minimum_order=Decimal(500))
    make_reward(store, 50, kind="exchange", amount=Decimal(10), step=50)
    make_reward(store, 337, kind="percent", amount=Decimal(20))
    make_reward(store, 10, kind="shipping", amount=None, stock=0)
    make_reward(store, 20, tier=gold)
    make_reward(store, 90, kind="donation", amount=Decimal(40), name="Plant a tree in the hills of Satara")
    for state in ("pending", "ready", "used", "expired", "returning"):
        make_redemption(
            account,
            first,
            code=f"MASALA-7F3KQ-{state.upper()}",
            state=state,
            expires_at=timezone.now() + timedelta(days=90),
        )
    return account.redemptions.get(state="ready")


@pytest.mark.parametrize("language", ["en", "hi"])
def test_shelf_and_code_fit_a_phone_and_the_code_is_copied(page, live_server, client, shelf, language):
    sign_in(client, shelf.account.customer.email)
    cookies = {"sessionid": client.cookies["sessionid"].value, "django_language": language}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()]
    )
    page.set_viewport_size({"width": 320, "height": 800})

    for path in ("", f"codes/{shelf.pk}/", f"{shelf.reward_id}/"):
        page.goto(f"/s/masala/rewards/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    page.goto(f"/s/masala/rewards/codes/{shelf.pk}/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-copy]")

    page.wait_for_function("document.querySelector('[data-copy-said]').textContent")
    assert page.evaluate("navigator.clipboard.readText()") == shelf.code
