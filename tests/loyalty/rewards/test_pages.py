"""The rewards in the portal: what each costs, asking before points are spent, the codes that were bought."""

import re
from decimal import Decimal

import pytest
from django.utils import timezone

from crm.woocommerce import push
from crm.woocommerce.models import Push
from loyalty import ledger, redeeming
from loyalty.models import Gift, Program, Redemption, Reward
from tests.factories import make_account, make_customer, make_reward

from .taking import balance, nothing_happened, redeem, token_on, words

State = Redemption.State
pytestmark = pytest.mark.django_db


def test_the_shelf_says_how_each_reward_stands(visit, account, django_assert_max_num_queries):
    store = account.store
    make_reward(store, 100)
    make_reward(store, 337, kind="percent", amount=Decimal(20))
    make_reward(store, 10, kind="shipping", amount=None, stock=0)
    make_reward(store, 20, active=False, description="Hidden")

    page = words(visit())

    assert "You have 250 points" in page
    assert "₹50.00 off 100 points Not together with other codes. The code is valid for 90 days. Choose this" in page
    assert "20% off 337 points" in page
    assert "87 more points" in page
    assert "Free shipping 10 points Not together with other codes. The code is valid for 90 days. Sold out" in page
    assert "Hidden" not in page
    for number in range(10):
        make_reward(store, 1 + number)
        redeem(account, Reward.objects.last())
    with django_assert_max_num_queries(20):
        visit()


def test_choosing_asks_first_and_a_double_click_is_one_redemption(visit, account, reward):
    asked = visit(f"{reward.pk}/")
    assert "It costs 100 points. 150 points are left then." in words(asked)

    token = token_on(asked)
    answers = [visit(f"{reward.pk}/", token=token) for _click in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert (balance(account), Redemption.objects.count()) == (150, 1)
    page = words(visit(answers[0]["Location"].removeprefix("/s/masala/rewards/")))
    assert "The shop is making your code." in page and "your points are safe" in page
    assert answers[0]["Location"] == answers[1]["Location"]


def test_what_a_refund_brings_back_is_said_before_and_after(visit, account, reward):
    store = account.store
    part = "If goods that it made cheaper are refunded, that part of your points comes back; with the whole order, all of them."
    whole = "If all of an order is refunded that was paid with it, your points come back."
    code = "If an order is refunded that was paid with it, that part comes back as a new code."
    nothing = "If an order is refunded that was paid with it, nothing comes back."
    expected = [
        (reward, part),
        (make_reward(store, 10, kind="percent", amount=Decimal(5), returns_refunded=False), nothing),
        (make_reward(store, 10, kind="shipping", amount=None), whole),
        (make_reward(store, 10, kind="gift_card", amount=Decimal(10)), code),
        (make_reward(store, 10, kind="store_credit", amount=Decimal(10)), ""),
    ]

    for offered, said in expected:
        after = redeem(account, offered)
        Redemption.objects.filter(pk=after.pk, state="pending").update(state="ready")
        for page in (f"{offered.pk}/", f"codes/{after.pk}/"):
            found = [sentence for sentence in (part, whole, code, nothing) if sentence in words(visit(page))]
            assert found == [said] * bool(said), (offered.kind, page)


def test_two_open_pages_are_one_redemption_and_another_one_can_be_had_on_purpose(visit, account, reward):
    tabs = [token_on(visit(f"{reward.pk}/")), token_on(visit(f"{reward.pk}/"))]
    # Points that come in meanwhile make no second wish of the first one.
    ledger.earn(account, 30, cause="review:1")
    tabs.append(token_on(visit(f"{reward.pk}/")))

    answers = [visit(f"{reward.pk}/", token=token) for token in tabs]

    assert len({answer.url for answer in answers}) == 1
    assert (balance(account), Redemption.objects.count()) == (180, 1)
    asked = visit(f"{reward.pk}/")
    assert "80 points are left then." in words(asked)
    again = visit(f"{reward.pk}/", token=token_on(asked))
    assert again.url != answers[0].url and balance(account) == 80


def test_two_open_pages_may_be_gifts_for_two_people(visit, account):
    gift = make_reward(account.store, 100, kind="gift_card", amount=Decimal(10))
    tabs = [token_on(visit(f"{gift.pk}/")) for _tab in range(3)]

    for token, friend in zip(tabs, ["a@mail.example", "b@mail.example", "B@mail.example "], strict=True):
        visit(f"{gift.pk}/", token=token, recipient=friend)

    assert balance(account) == 50
    assert {gift.recipient for gift in Gift.objects.all()} == {"a@mail.example", "b@mail.example"}


def test_a_ready_code_is_shown_with_its_last_day(visit, account, reward):
    redemption = redeem(account, reward)
    assert redemption.code not in visit().content.decode()

    Redemption.objects.update(state=State.READY)

    assert redemption.code in words(visit())
    page = visit(f"codes/{redemption.pk}/").content.decode()
    assert f'value="{redemption.code}" readonly' in page
    # Read aloud it is no word, but sign after sign.
    spelt = re.search(r'aria-describedby="code-spelt">.*<span hidden id="code-spelt">([^<]+)</span>', page, re.S)[1]
    assert spelt == ", ".join(" ".join(part) for part in redemption.code.split("-"))
    assert "It works once." in page


def test_a_code_is_handed_back_by_its_page(visit, account, reward):
    redemption = redeem(account, reward)
    assert visit(f"codes/{redemption.pk}/", sure="1").status_code == 409
    Redemption.objects.update(state=State.READY)

    answer = visit(f"codes/{redemption.pk}/", sure="1")

    assert answer.status_code == 302
    page = words(visit(f"codes/{redemption.pk}/"))
    assert "Being handed back" in page and redemption.code not in page
    assert Push.objects.get(kind="coupon_removal").payload == {"code": redemption.code}


def test_nobody_sees_or_hands_back_the_code_of_somebody_else(visit, account, reward):
    stranger = make_account(make_customer(account.store), 100)
    theirs = redeem(stranger, reward)
    Redemption.objects.update(state=State.READY)

    answers = [visit(f"codes/{theirs.pk}/"), visit(f"codes/{theirs.pk}/", sure="1"), visit("codes/0/")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert Redemption.objects.get().state == State.READY


def test_points_are_chosen_on_the_shelf_and_shown_as_money_before_they_are_spent(visit, account):
    reward = make_reward(account.store, 100, kind="exchange", amount=10, step=50)
    page = visit().content.decode()
    assert visit(f"{reward.pk}/").url.endswith(f"#reward-{reward.pk}") and f'id="reward-{reward.pk}"' in page
    assert 'min="100" max="250" step="50"' in page and "₹10.00 off for each 100 points" in page

    asked = visit(f"{reward.pk}/?points=150")
    assert "₹15.00 off It costs 150 points. 100 points are left then." in words(asked)
    for bad, why in [
        ("", "Choose 100 points or more"),
        ("99", "in steps of 50"),
        ("x", "Choose"),
        ("300", "You have 250"),
    ]:
        answer = visit(f"{reward.pk}/?points={bad}")
        assert answer.status_code == 400 and why in words(answer)

    visit(f"{reward.pk}/", token=token_on(asked))
    assert balance(account) == 100


def test_limits_are_said_before_they_are_met(visit, account):
    make_reward(account.store, 100, per_customer=1, per_year=3, stock=7)

    page = words(visit())

    assert "Once for each customer. Up to 3 times a year. Only 7 left. Choose this" in page


def test_a_stale_page_is_told_so(visit, account, reward):
    token = token_on(visit(f"{reward.pk}/"))
    Reward.objects.update(points=200)

    answer = visit(f"{reward.pk}/", token=token)

    assert answer.status_code == 409
    assert "The shop has changed this reward since you saw it." in words(answer)
    assert nothing_happened(account)


def test_a_forged_or_borrowed_token_is_refused(visit, account, reward):
    stranger = make_customer(account.store)
    dear = make_reward(account.store, 240)
    bad = [
        "",
        "x",
        token_on(visit(f"{reward.pk}/"))[:-1],
        redeeming.token(reward, stranger),
        redeeming.token(dear, account.customer),
    ]

    answers = [visit(f"{reward.pk}/", token=token) for token in bad]

    assert [answer.status_code for answer in answers] == [400] * 5
    assert nothing_happened(account)


def test_a_paused_programme_shows_its_rewards_and_sells_none(visit, account, reward):
    Program.objects.update(active=False)

    page = words(visit())

    assert "The points programme is paused. Your points stay yours." in page
    assert "50.00 off" in page and "Choose this" not in page
    assert visit(f"{reward.pk}/").status_code == 302


def test_who_can_not_take_it_is_sent_back_to_the_shelf(visit, account):
    dear = make_reward(account.store, 251)

    assert visit(f"{dear.pk}/")["Location"] == "/s/masala/rewards/"
    assert visit("999999/")["Location"] == "/s/masala/rewards/"


def test_the_statement_names_the_reward(visit, client, account, reward):
    redeem(account, reward)
    push.withdraw(Push.objects.get(), timezone.now())

    page = words(client.get("/s/masala/points/"))

    assert "Reward: ₹50.00 off" in page
    assert "Given back: ₹50.00 off" in page
