"""A reward's name and description are said in the reader's language where the shop has said them, and else in its own words."""

import pytest
from django.utils import translation

from loyalty import rewards
from loyalty.models import Reward
from tests.factories import make_reward, make_staff, sign_in

from .taking import redeem, words

pytestmark = pytest.mark.django_db
HINDI = {"hi": {"name": "एक पेड़", "description": "हम एक पेड़ लगाते हैं।"}}


def donation(account, **fields):
    said = {"kind": "donation", "amount": None, "name": "Plant a tree", "description": "We plant one."}
    return make_reward(account.store, 100, **said | fields)


@pytest.mark.parametrize(
    ("language", "name", "description"),
    [
        ("hi", "एक पेड़", "हम एक पेड़ लगाते हैं।"),
        ("mr", "Plant a tree", "We plant one."),
        ("en", "Plant a tree", "We plant one."),
    ],
)
def test_a_reader_finds_what_is_said_in_their_language_or_the_shops_words(client, account, language, name, description):
    type(account.store).objects.update(languages=["en", "hi", "mr"])
    type(account.customer).objects.update(language=language)
    reward = donation(account, translations=HINDI)
    sign_in(client, account.customer.email)
    for page in ("", f"{reward.pk}/", "about/"):
        shown = words(client.get(f"/s/masala/rewards/{page}", headers={"Accept-Language": language}))
        assert name in shown
        assert description in shown


def test_what_was_taken_keeps_its_names(account):
    reward = donation(account, translations=HINDI)
    seen = rewards.version(reward)
    redemption = redeem(account, reward, seen=seen)
    Reward.objects.update(translations={"hi": {"name": "कुछ और"}})
    with translation.override("hi"):
        assert redemption.words == "एक पेड़"
    assert rewards.version(Reward.objects.get()) != seen


def test_owners_say_it_in_each_language(client, account):
    client.force_login(make_staff(account.store), backend="django.contrib.auth.backends.ModelBackend")
    form = {"store": account.store_id, "kind": "donation", "name": "Plant a tree", "points": 5, "position": 0}
    asked = form | {"name_hi": "एक पेड़", "description_hi": "हम एक पेड़ लगाते हैं।", "name_mr": " "}
    assert client.post("/admin/loyalty/reward/add/", asked).status_code == 302
    reward = Reward.objects.get()
    assert reward.translations == HINDI

    page = f"/admin/loyalty/reward/{reward.pk}/change/"
    assert 'name="name_hi" value="एक पेड़"' in client.get(page).content.decode()
    assert "at most 80" in words(client.post(page, asked | {"name_hi": "x" * 81}))
    assert client.post(page, form).status_code == 302
    assert Reward.objects.get().translations == {}
