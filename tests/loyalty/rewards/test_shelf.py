"""The shelf as somebody looks for something on it: what can be had now first, pictures, and how each reward stands."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.models import Program
from tests.factories import make_member, make_order, make_product, make_redemption, make_reward, make_tier

from .taking import words

pytestmark = pytest.mark.django_db


def test_what_can_be_had_now_comes_first_and_can_be_looked_at_alone(visit, account):
    store = account.store
    make_reward(store, 300, position=1, name="Too dear")
    make_reward(store, 10, position=2, name="Gone", stock=0)
    make_reward(store, 200, position=3, name="Second")
    make_reward(store, 100, position=4, name="Third")

    every, only = visit(), visit("?show=affordable")

    assert re.findall("Second|Third|Too dear|Gone", re.sub("Choose this (Second|Third)", "", words(every))) == [
        "Second",
        "Third",
        "Too dear",
        "Gone",
    ]
    assert "Too dear" not in words(only) and "Gone" not in words(only) and "Third" in words(only)
    chosen = re.compile(r'aria-current="page">([^<]+)<span class="num">(\d+)</span>')
    assert ("All rewards ", "4") in chosen.findall(every.content.decode())
    assert ("I can afford ", "2") in chosen.findall(only.content.decode())
    assert "<title>Rewards you can afford" in only.content.decode()


def test_who_can_afford_nothing_is_told_what_is_nearest(visit, account):
    make_reward(account.store, 300)
    make_reward(account.store, 900)

    assert "None of them yet. 50 more points for: ₹50.00 off" in words(visit("?show=affordable"))


def test_each_reward_has_a_picture(visit, account):
    store = account.store
    cup = make_product(store, name="Cup", image_url="https://shop.example/cup.jpg")
    blue = make_product(store, parent=cup, name="Blue")
    for product in (cup, blue, make_product(store, name="Bowl", image_url="javascript:alert(1)")):
        make_reward(store, 100, kind="product", amount=None, product=product)
    kinds = ["money", "percent", "gift_card", "store_credit", "exchange", "shipping", "donation", "access"]
    for kind in kinds:
        needs_none = kind in ("shipping", "access")
        make_reward(store, 100, kind=kind, amount=None if needs_none else Decimal(5), name="Named")

    shelf = visit().content.decode().split('id="codes"')[0]

    assert shelf.count('src="https://shop.example/cup.jpg" alt=""') == 2
    drawn = re.findall(r'<svg class="thumb"[^>]*aria-hidden="true"[^>]*>(.+?)</svg>', shelf)
    assert len(drawn) == len(kinds) + 1 and len(set(drawn)) == len(drawn)
    assert "javascript" not in shelf


def test_each_card_says_how_its_reward_stands(visit, account):
    store = account.store
    gold = make_tier(Program.objects.get(), "Gold", 9000, key="gold")
    had = make_reward(store, 10, name="Had", per_customer=1)
    make_redemption(account, had)
    make_reward(store, 10, name="Gone", stock=0)
    make_reward(store, 10, name="For few", tier=gold)
    make_reward(store, 251, name="Dear")
    make_reward(store, 250, name="Ready")

    def states():
        items = re.findall(r'<li id="reward-\d+">(.*?)</li>', visit().content.decode(), re.S)
        tags = [re.findall(r'<strong>([\w ]+)</strong>|class="(?:tag|button)"[^>]*>([^<]+)<', item) for item in items]
        return {found[0][0]: found[-1][1] for found in tags}

    taken = {"Had": "You have had this one", "Gone": "Sold out", "For few": "From the tier Gold on"}
    assert states() == taken | {"Dear": "1 more point", "Ready": "Choose this"}
    Program.objects.update(active=False)
    assert states() == taken | {"Dear": "Paused", "Ready": "Paused"}
    Program.objects.update(active=True, enrolment="join")
    assert states() == taken | {"Dear": "1 more point", "Ready": "For members"}
    make_member(account.customer)
    assert states()["Ready"] == "Choose this"


# --- the page of codes ---
def groups(response):
    return dict(re.findall(r'group=\w+"[^>]*>([\w ]+) <span class="num">(\d+)</span>', response.content.decode()))


def test_codes_are_grouped_by_what_became_of_them(visit, account):
    at, reward = timezone.now(), make_reward(account.store, 100)
    assert "To use 0" in words(visit("codes/")) and "None." in words(visit("codes/"))
    order = make_order(account.store, account.customer, number="2026/17")
    for number, (state, fields) in enumerate(
        [
            ("pending", {}),
            ("ready", {"expires_at": at + timedelta(days=9)}),
            ("used", {"order": order}),
            ("given", {}),
            ("expired", {"expires_at": at - timedelta(days=9)}),
            ("returning", {}),
        ]
    ):
        make_redemption(account, reward, code=f"CODE-{number}", state=state, **fields)

    assert groups(visit("codes/")) == {"To use": "2", "Used": "2", "Expired": "1", "Handed back": "1"}
    assert re.search(r"CODE-1 until \w+", words(visit("codes/"))) and "CODE-0" not in words(visit("codes/"))
    used = words(visit("codes/?group=used"))
    assert re.search(r"CODE-2 used on \w{3}, 15 June 2026 for order 2026/17 taken on", used) and "CODE-1" not in used
    assert "CODE-4 expired on" in words(visit("codes/?group=expired"))
    assert "CODE-5" in words(visit("codes/?group=returned"))
    assert "CODE-1" in words(visit("codes/?group=nonsense"))


def test_all_codes_are_there_however_many(visit, account, django_assert_max_num_queries):
    reward = make_reward(account.store, 100)
    for number in range(45):
        make_redemption(account, reward, code=f"CODE-{number:02}X", state="used")

    path, seen = "codes/", []
    while path:
        with django_assert_max_num_queries(12):
            page = visit(path).content.decode()
        seen += re.findall(r"CODE-(\d\d)X", page)
        older = re.search(r'rel="next" href="(\?[^"]+)"', page)
        path = older and f"codes/{older[1]}".replace("&amp;", "&")

    # Without a code that works, one sees what there was.
    assert seen == [f"{number:02}" for number in reversed(range(45))]
    assert "All your codes" in words(visit()) and "CODE-44X" in words(visit()) and "CODE-10X" not in words(visit())
