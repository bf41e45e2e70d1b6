"""Notes of staff and secrets of shops: planted, then looked for on everything that leaves the house."""

import logging
import re

import pytest
import responses
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.db import connection

from crm.events.models import Event
from crm.messaging import compose
from crm.messaging.models import Message as Mail
from crm.portal.models import SignInCode
from crm.stores.models import ApiKey, Store
from crm.woocommerce.models import Reread
from crm.work import drain
from support import tickets
from support.models import Ticket
from tests.two_stores import NOTE, SECRETS

pytestmark = pytest.mark.django_db


def test_a_note_reaches_no_customer_by_any_way(world):
    """Pages are tried by the permissions table; here are the mails, the events and the API that merchants show to customers."""
    ticket = world.a["support.Ticket"]
    agent = world.a.staff["agent"]
    tickets.note(ticket, agent, f"{NOTE} more")
    tickets.reply_from_staff(ticket, agent, "We are on it.")
    tickets.resolve(ticket)

    mails = [compose.email(row) for row in Mail.objects.exclude(kind="")]
    said = "".join(f"{m.subject} {m.body} {m.alternatives[0].content}" for m in mails)
    facts = "".join(str(event.data) for event in Event.objects.all())
    shown = world.clients["key"].get(f"/api/v1/tickets/{ticket.pk}/messages/?internal=false").content.decode()
    conversation = world.clients["customer"].get(f"/s/{world.a.store.slug}/tickets/{ticket.number}/").content.decode()

    assert "We are on it." in said and "We are on it." in shown and "We are on it." in conversation
    for text in (said, facts, shown, conversation):
        assert NOTE not in text


def test_a_note_does_not_show_by_its_time(world):
    ticket = Ticket.objects.get(pk=world.a["support.Ticket"].pk)

    tickets.note(ticket, world.a.staff["agent"], NOTE)

    assert Ticket.objects.get(pk=ticket.pk).last_message_at == ticket.last_message_at


def secrets_of(world):
    return [*(f"{secret}_ownedbya" for secret in SECRETS.values()), *world.a.keys.values(), settings.SECRET_KEY]


def test_secrets_stand_nowhere_in_the_database_as_they_are(world):
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            everything = "\n".join(row[0] for row in cursor.fetchall())
            for secret in secrets_of(world):
                assert secret not in everything, table


def test_no_row_says_its_secrets_when_it_is_printed(world):
    store = Store.objects.get(pk=world.a.store.pk)
    key = ApiKey.objects.filter(store=store).first()

    for text in (repr(store), str(store), repr(key), str(key), repr(store.__class__.objects.all())):
        assert not any(secret in text for secret in secrets_of(world))


@responses.activate
@pytest.mark.parametrize("signing", Store.Signing.values)
def test_no_secret_and_no_code_is_logged_on_the_way_of_a_working_day(world, caplog, signing):
    refusal = {"code": "woocommerce_rest_cannot_view", "message": "Sorry."}
    responses.get(re.compile(r"https?://ownedby[ab]\.example/.*"), status=401, json=refusal)
    cache.clear()
    caplog.set_level(logging.DEBUG)
    clients, store = world.clients, world.a.store
    Store.objects.update(signing=signing)

    clients["key"].get("/api/v1/orders/")
    clients["wrong_key"].get("/api/v1/orders/")
    clients["key"].post("/api/v1/tickets/", "{", content_type="application/json")
    clients["owner"].get(f"/admin/stores/store/{store.pk}/change/")
    forged = {"X-WC-Webhook-Signature": "no"}
    webhook = f"/webhooks/woocommerce/{store.public_id}/"
    clients["anonymous"].post(webhook, "{}", content_type="application/json", headers=forged)
    drain.drain(Reread)
    clients["anonymous"].post(f"/s/{store.slug}/sign-in/", {"email": world.a["orders.Customer"].email})
    drain.drain(SignInCode)
    code = re.search(r"\d{4}-\d{4}", mail.outbox[-1].body)[0]

    assert responses.calls
    assert Reread.objects.exclude(error="").exists()
    for record in caplog.records:
        if record.name.startswith("django.db"):
            continue  # each statement with its parameters: only with DEBUG, and never on a server
        said = record.getMessage() + str(record.exc_info)
        assert not any(secret in said for secret in [*secrets_of(world), code]), said
    kept = " ".join(Reread.objects.values_list("error", flat=True))
    assert not any(secret in kept for secret in secrets_of(world))
