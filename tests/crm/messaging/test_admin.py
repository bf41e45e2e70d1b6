import pytest
from django.urls import reverse

from crm.messaging.models import MailSettings, Message, Suppression
from crm.stores.models import Membership
from tests.factories import make_message, make_staff, make_store

ROLE = Membership.Role


@pytest.fixture
def signed_in(client, store):
    def sign_in(role=ROLE.AGENT, where=store):
        client.force_login(make_staff(where, role))
        return client

    return sign_in


def test_staff_see_what_was_sent_and_never_run_it(signed_in, store):
    message = make_message(
        store, html="<html><head></head><b>Hi</b></html>", subject="Hello", outcome="sent", sent_at="2026-06-15T12:00Z"
    )
    client = signed_in()

    assert b"Hello" in client.get(reverse("admin:messaging_message_changelist")).content
    page = client.get(reverse("admin:messaging_message_change", args=[message.pk])).content.decode()
    body = reverse("admin:messaging_message_body", args=[message.pk])
    assert body in page and "sandbox=" in page
    answer = client.get(body)
    assert b"<b>Hi</b>" in answer.content and "sandbox" in answer["Content-Security-Policy"]


def test_staff_of_another_store_see_nothing(signed_in, store):
    message = make_message(store, html="<b>Hi</b>", recipient="secret@mail.example")
    client = signed_in(where=make_store())

    assert b"secret@" not in client.get(reverse("admin:messaging_message_changelist")).content
    assert client.get(reverse("admin:messaging_message_body", args=[message.pk])).status_code == 404


def act(client, action, *messages):
    data = {"action": action, "_selected_action": [message.pk for message in messages]}
    return client.post(reverse("admin:messaging_message_changelist"), data, follow=True)


def test_failed_ones_are_tried_again_and_unknown_ones_only_when_asked_for(signed_in, store):
    failed = make_message(store, state="parked", outcome="failed", attempts=10)
    unknown = make_message(store, state="done", outcome="unknown", handed_over_at="2026-06-15T12:00Z")
    client = signed_in()

    act(client, "retry", failed, unknown)
    assert dict(Message.objects.values_list("pk", "outcome")) == {failed.pk: "queued", unknown.pk: "unknown"}
    act(client, "send_again", failed, unknown)
    assert Message.objects.get(pk=unknown.pk).state == "due"


def test_a_viewer_may_not_send(signed_in, store):
    failed = make_message(store, state="parked", outcome="failed")

    act(signed_in(ROLE.VIEWER), "retry", failed)

    assert Message.objects.get().state == "parked"


def test_a_list_of_messages_costs_the_same_however_long(signed_in, store, order, django_assert_max_num_queries):
    for _n in range(20):
        make_message(store, order=order, customer=order.customer)
    client = signed_in()

    with django_assert_max_num_queries(15):
        client.get(reverse("admin:messaging_message_changelist"))


def test_an_address_is_closed_for_ones_own_store_only(signed_in, store):
    client = signed_in()
    add = reverse("admin:messaging_suppression_add")

    client.post(add, {"store": "", "email": "a@mail.example", "reason": "manual", "detail": ""})
    assert not Suppression.objects.exists()
    client.post(add, {"store": make_store().pk, "email": "a@mail.example", "reason": "manual", "detail": ""})
    assert not Suppression.objects.exists()
    client.post(add, {"store": store.pk, "email": "A@mail.example", "reason": "manual", "detail": ""})
    assert Suppression.objects.get().email == "a@mail.example"


def test_an_owner_switches_kinds_off(signed_in, store):
    client = signed_in(ROLE.OWNER)
    data = {"store": store.pk, "from_email": "", "reply_to": "", "switched_off": ["thank-you"]}

    client.post(reverse("admin:messaging_mailsettings_add"), data)

    assert MailSettings.objects.get().switched_off == ["thank-you"]
