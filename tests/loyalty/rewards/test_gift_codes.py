"""The code of a gift card is money for whoever reads it: who does."""

from decimal import Decimal

import pytest

from crm.events.models import Event
from crm.messaging.models import Message
from crm.orders.models import Coupon
from crm.stores.models import Membership
from crm.woocommerce.models import Push
from crm.work import drain
from loyalty import gifts, redemptions
from loyalty.models import Redemption
from tests.factories import make_reward, make_staff, make_store

from .taking import redeem

pytestmark = pytest.mark.django_db
POINTS = ["loyalty:read", "loyalty:write"]


@pytest.fixture
def card(account):
    """A gift card that the shop has made."""
    reward = make_reward(account.store, 100, kind="gift_card", amount=Decimal(500))
    redemption = redeem(account, reward, gift=gifts.Wish("priya@friends.example", ""))
    redemptions.confirmed(Push.objects.latest("pk"))
    redemption.refresh_from_db()
    return redemption


def test_a_key_for_points_neither_reads_nor_takes_a_gift_card(api_client, card):
    store, root = card.store, "/api/v1/loyalty/redemptions/"
    poor = api_client(store, scopes=POINTS)
    for shown in (poor.get(f"{root}{card.pk}/").json(), poor.get(root).json()["results"][0]):
        assert (shown["id"], shown["code"], shown["gift"]["url"]) == (card.pk, None, None)
    rich = api_client(store, scopes=[*POINTS, "credit:read"])
    shown = rich.get(f"{root}{card.pk}/").json()
    assert shown["code"] == card.code
    assert gifts.read(shown["gift"]["url"].rstrip("/").rpartition("/")[2]) == card.gift

    asked = {"customer": card.account.customer_id, "reward": card.reward_id}
    for api in (poor, rich):
        refused = api.post(root, asked)
        assert (refused.status_code, "credit:write" in refused.content.decode()) == (403, True)
    assert Redemption.objects.count() == 1
    made = api_client(store, scopes=[*POINTS, "credit:write"]).post(root, asked)
    assert (made.status_code, made.json()["gift"]["url"]) == (201, None)


def test_a_program_that_may_handle_money_ends_a_stolen_card_once(api_client, card):
    store, root = card.store, "/api/v1/loyalty/redemptions/"
    no_card = redeem(card.account, make_reward(store, 10))
    url = f"{root}{card.pk}/end/"
    api, said = api_client(store, scopes=[*POINTS, "credit:write"]), {"reason": "Stolen"}
    assert api_client(store, scopes=POINTS).post(url, said).status_code == 403
    assert api_client(make_store()).post(url, said).status_code == 404
    for where, body in ((url, {}), (url, {"reason": "x" * 301}), (f"{root}{no_card.pk}/end/", said)):
        assert api.post(where, body).status_code == 400, (where, body)
    card.refresh_from_db()
    assert card.ended_at is None

    first, again = api.post(url, said), api.post(url, {"reason": "Again"})
    assert (first.status_code, again.json()) == (200, first.json())
    assert (first.json()["state"], bool(first.json()["ended_at"])) == ("returning", True)
    [event] = Event.objects.filter(type="gift_card.ended")
    key = store.api_keys.get(scopes__contains=["credit:write"])
    assert (event.key, event.data, event.customer) == (
        str(card.pk),
        {"reason": "Stolen", "by": str(key)},
        card.account.customer,
    )
    assert [push.payload["code"] for push in Push.objects.filter(kind="coupon_removal")] == [card.code]


def test_staff_below_owners_see_four_letters_and_no_mail(client, card):
    drain.drain_all()
    message = Message.objects.get(kind="gift-card")
    pages = [
        "/admin/loyalty/redemption/",
        f"/admin/loyalty/redemption/{card.pk}/change/",
        f"/admin/messaging/message/{message.pk}/body/",
    ]
    staff = {role: make_staff(card.store, role) for role in Membership.Role}
    assert card.code in message.html
    for user in [*staff.values(), make_staff(is_superuser=True)]:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        is_owner = user.is_superuser or user == staff[Membership.Role.OWNER]
        for page in pages:
            assert (card.code in client.get(page).content.decode()) == is_owner, (user, page)
        assert f"…{card.code[-4:]}" in client.get(pages[0]).content.decode() or is_owner
    client.force_login(staff[Membership.Role.AGENT], backend="django.contrib.auth.backends.ModelBackend")
    found = [
        f"/redemption/{card.pk}/change/" in client.get(pages[0], {"q": code}).content.decode()
        for code in (card.code.lower(), card.code[:-1])
    ]
    assert found == [True, False]


def test_the_shops_coupon_of_a_gift_card_is_shown_to_those_alone_who_may_handle_money(client, api_client, card):
    store = card.store
    pushed = Push.objects.latest("pk")
    coupon = Coupon.objects.create(
        store=store, woo_id=5, code=card.code.lower(), amount=500, discount_type="fixed_cart",
        description=pushed.payload["description"],
    )  # fmt: skip
    for path in (f"coupons/{coupon.pk}/", f"pushes/{pushed.pk}/"):
        scopes = ["orders:read", "pushes:read"]
        assert api_client(store, scopes=scopes).get(f"/api/v1/{path}").status_code == 404, path
        assert api_client(store, scopes=[*scopes, "credit:read"]).get(f"/api/v1/{path}").status_code == 200, path
    for role in Membership.Role:
        client.force_login(make_staff(store, role), backend="django.contrib.auth.backends.ModelBackend")
        listed = client.get("/admin/orders/coupon/").content.decode()
        assert (coupon.code in listed) == (role == Membership.Role.OWNER), role
