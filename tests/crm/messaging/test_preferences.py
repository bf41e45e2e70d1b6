"""The page behind `/u/<token>/`: what a person wants, and that nothing but the person changes it."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from crm.messaging import compose, consent
from crm.messaging.models import Consent
from crm.stores import links
from tests.factories import make_message, make_store


@pytest.fixture
def path(store):
    message = make_message(store, recipient="asha@mail.example")
    consent.give(store, "asha@mail.example", source="checkout", at=timezone.now() - timedelta(days=1))
    return compose.preferences_url(message).removeprefix("http://localhost:8000")


def test_looking_changes_nothing(client, store, path):
    for _n in range(2):
        client.head(path)
        page = client.get(path)

    assert page.status_code == 200 and b"as\xe2\x80\xa2\xe2\x80\xa2@mail.example" in page.content
    assert consent.is_given(store, "asha@mail.example")


def test_one_click_withdraws_without_session_or_csrf_token(store, path):
    answer = Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 204
    assert not consent.is_given(store, "asha@mail.example")
    assert Consent.objects.latest("pk").source == "one-click"


def test_a_person_may_end_news_and_take_that_back(client, store, path):
    assert b"not send you any more news" in client.post(path, {"news": "off"}, follow=True).content
    assert not consent.is_given(store, "asha@mail.example")

    assert b"when we have news" in client.post(path, {"news": "on"}, follow=True).content
    assert consent.is_given(store, "asha@mail.example")
    assert Consent.objects.count() == 3


def test_saying_no_twice_is_one_no(client, path):
    for _n in range(2):
        client.post(path, {"List-Unsubscribe": "One-Click"})

    assert Consent.objects.filter(given=False).count() == 1


def test_only_this_store_hears_it(client, store, path):
    other = make_store()
    consent.give(other, "asha@mail.example", source="checkout")
    client.post(path, {"news": "off"})

    assert consent.is_given(other, "asha@mail.example")


def test_a_forged_link_and_one_for_another_purpose_lead_nowhere(client, store, path):
    message = make_message(store)

    assert client.post("/u/nonsense/", {"news": "off"}).status_code == 404
    token = links.make("track", store.pk, message.pk)
    assert client.get(f"/u/{token}/").status_code == 404
    token = links.make(compose.PREFERENCES, make_store().pk, message.pk)
    assert client.get(f"/u/{token}/").status_code == 404


def test_the_link_works_long_after_the_mail(client, path):
    with time_machine.travel(timezone.now() + timedelta(days=700), tick=False):
        assert client.get(path).status_code == 200


def test_one_click_in_a_review_request_ends_those_and_not_the_news(store, path):
    message = make_message(store, purpose="review", recipient="asha@mail.example")
    asked = compose.preferences_url(message).removeprefix("http://localhost:8000")

    Client(enforce_csrf_checks=True).post(asked, {"List-Unsubscribe": "One-Click"})

    assert consent.is_refused(store, "asha@mail.example", "review")
    assert consent.is_given(store, "asha@mail.example")


def test_a_person_may_end_review_requests_and_take_that_back(client, store, path):
    assert b"not ask you for reviews again" in client.post(path, {"reviews": "off"}, follow=True).content
    assert consent.is_refused(store, "asha@mail.example", "review")
    assert consent.is_given(store, "asha@mail.example")

    assert b"may ask you for reviews" in client.post(path, {"reviews": "on"}, follow=True).content
    assert not consent.is_refused(store, "asha@mail.example", "review")
