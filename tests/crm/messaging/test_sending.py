"""What becomes of a mail that a mail server takes, refuses, or leaves unanswered; spoken over real SMTP."""

import socket
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from django.db import connection

from crm.events.models import Event
from crm.messaging import sending
from crm.messaging.models import Message
from crm.work import drain
from tests.factories import NOW, make_message, make_order


class Server:
    """A mail server that keeps what it took, and can be told to behave badly with the next mails."""

    def __init__(self):
        self.taken = []
        self.trouble = {}

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.trouble.get("MAIL") == "drop":
            server.transport.abort()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self.trouble.get("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if (answer := self.trouble.get("DATA")) and answer != "drop":
            return answer
        self.taken.append(envelope.content.decode())
        if self.trouble.get("DATA") == "drop":
            server.transport.abort()
        return "250 OK"


def free_port():
    # The controller asks its own port whether it is up, and port 0 is not it.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def server(settings):
    handler = Server()
    controller = Controller(handler, hostname="127.0.0.1", port=0)
    controller.port = free_port()
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    yield handler
    controller.stop()


@pytest.fixture
def message(store, order):
    return make_message(store, order=order, customer=order.customer, recipient="asha@mail.example")


def outcome(message):
    message.refresh_from_db()
    return message.state, message.outcome


def test_a_taken_mail_is_settled_with_its_words_and_an_event(server, message):
    drain.drain_all(at=NOW)

    assert outcome(message) == ("done", "sent")
    assert message.sent_at == NOW and "1234" in message.subject and "Brass diya" in message.html
    assert f"<{message.public_id}@" in server.taken[0]
    event = Event.objects.get(type="message.sent")
    assert (event.key, event.order, event.customer) == (str(message.pk), message.order, message.customer)


def test_a_mail_that_left_is_not_sent_again_when_noting_that_fails(server, message):
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON events_event FOR EACH ROW EXECUTE FUNCTION refuse();
        """)
    drain.drain(Message, at=NOW)
    assert len(server.taken) == 1 and outcome(message) == ("due", "queued")

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON events_event")
    drain.drain(Message, at=NOW + timedelta(minutes=1))

    assert len(server.taken) == 1
    assert outcome(message) == ("done", "unknown")


def test_a_passing_refusal_is_tried_again_and_sent_once(server, message):
    server.trouble = {"RCPT": "450 later"}
    drain.drain(Message, at=NOW)
    assert outcome(message) == ("due", "queued")
    assert "450" in message.error

    server.trouble = {}
    drain.drain(Message, at=NOW + timedelta(minutes=1))
    assert outcome(message) == ("done", "sent")
    assert len(server.taken) == 1


@pytest.mark.parametrize("trouble", [{"RCPT": "550 no such user"}, {"DATA": "554 refused"}])
def test_a_lasting_refusal_is_parked_with_what_the_server_said(server, message, trouble):
    server.trouble = trouble
    drain.drain(Message, at=NOW)

    assert outcome(message) == ("parked", "failed")
    assert next(iter(trouble.values()))[:3] in message.error


def test_a_line_that_breaks_before_the_body_is_tried_again(server, message):
    server.trouble = {"MAIL": "drop"}
    drain.drain(Message, at=NOW)
    assert outcome(message) == ("due", "queued")

    server.trouble = {}
    drain.drain(Message, at=NOW + timedelta(minutes=1))
    assert outcome(message) == ("done", "sent")


def test_a_line_that_breaks_after_the_body_is_unknown_and_never_sent_again_by_itself(server, message):
    server.trouble = {"DATA": "drop"}
    drain.drain(Message, at=NOW)
    server.trouble = {}
    drain.drain_all(at=NOW + timedelta(days=2))

    assert outcome(message) == ("done", "unknown")
    assert "may or may not have arrived" in message.error
    assert len(server.taken) == 1
    assert Message.objects.retry(NOW) == 0


def test_an_unknown_one_is_sent_again_only_when_staff_say_so(server, message):
    server.trouble = {"DATA": "drop"}
    drain.drain(Message, at=NOW)
    server.trouble = {}

    assert Message.objects.filter(pk=message.pk).send_again(NOW) == 1
    drain.drain(Message, at=NOW)

    assert outcome(message) == ("done", "sent")
    # The same Message-ID, so that many mailboxes show it once.
    assert [f"<{message.public_id}@" in mail for mail in server.taken] == [True, True]


def test_a_process_that_died_after_the_hand_over_leaves_an_unknown_mail(server, message):
    [row] = drain.claim(Message, NOW)
    sending._hand_over(row, NOW)

    drain.drain_all(at=NOW + Message.LEASE + timedelta(minutes=1))

    assert outcome(message) == ("done", "unknown")
    assert server.taken == []


def test_a_process_that_died_before_the_hand_over_loses_nothing(server, message):
    drain.claim(Message, NOW)

    drain.drain_all(at=NOW + Message.LEASE + timedelta(minutes=1))

    assert outcome(message) == ("done", "sent")
    assert len(server.taken) == 1


def test_two_that_hold_the_same_message_send_it_once(server, message):
    [row] = drain.claim(Message, NOW)
    [other] = drain.claim(Message, NOW + Message.LEASE + timedelta(minutes=1))

    sending.send([row], NOW)
    sending.send([other], NOW)

    assert outcome(message) == ("done", "sent")
    assert len(server.taken) == 1


def test_a_mail_server_that_is_away_costs_a_batch_one_attempt_each_and_no_mail(settings, store):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 2
    for _n in range(3):
        make_message(store, order=make_order(store))

    drain.drain(Message, at=NOW)

    assert set(Message.objects.values_list("state", "outcome", "attempts")) == {("due", "queued", 1)}


def test_a_mail_server_that_was_away_for_six_hours_loses_no_fresh_mail_and_sends_no_stale_one(settings, server, order):
    store = order.store
    fresh = make_message(store, order=order, useful_until=NOW + timedelta(days=3))
    stale = make_message(store, order=order, useful_until=NOW + timedelta(hours=2))
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    for hours in (0, 0.1, 0.3, 1, 3, 5.9):
        drain.drain(Message, at=NOW + timedelta(hours=hours))
    settings.EMAIL_PORT = port

    drain.drain_all(at=NOW + timedelta(hours=13))

    assert outcome(fresh) == ("done", "sent")
    assert outcome(stale) == ("done", "skipped")
    assert len(server.taken) == 1


def test_one_broken_message_does_not_hold_up_its_neighbours(server, store, order):
    broken = make_message(store, kind="gone-with-its-app")
    good = make_message(store, order=order)

    drain.drain(Message, at=NOW)

    assert outcome(good) == ("done", "sent")
    assert outcome(broken) == ("due", "queued")
    assert "No kind of message" in broken.error
