"""What the answers of a mail service's API mean, spoken to Postmark's backend over faked HTTP."""

import pytest
import requests
import responses

from crm.messaging.models import Message
from crm.work import drain
from tests.factories import NOW, make_message

API = "https://api.postmarkapp.com/email"
TAKEN = {
    "ErrorCode": 0,
    "Message": "OK",
    "MessageID": "abc-1",
    "To": "asha@mail.example",
    "SubmittedAt": "2026-06-15T12:00:00Z",
}


@pytest.fixture
def service(settings):
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token"}
    with responses.RequestsMock() as mocked:
        yield mocked


@pytest.mark.parametrize(
    ("answer", "becomes"),
    [
        ({"json": TAKEN}, ("done", "sent")),
        ({"status": 422, "json": {"ErrorCode": 300, "Message": "Invalid 'From' address."}}, ("parked", "failed")),
        ({"status": 401, "json": {"ErrorCode": 10, "Message": "Bad token"}}, ("parked", "failed")),
        ({"status": 429, "json": {"ErrorCode": 429, "Message": "Slow down"}}, ("due", "queued")),
        ({"status": 503, "body": "away"}, ("due", "queued")),
        ({"status": 500, "body": "broken"}, ("done", "unknown")),
        ({"body": requests.ReadTimeout("no answer")}, ("done", "unknown")),
        ({"body": requests.ConnectionError("reset by peer")}, ("done", "unknown")),
        ({"body": requests.ConnectTimeout("no route")}, ("due", "queued")),
    ],
)
def test_only_a_certain_refusal_is_tried_again(service, store, order, answer, becomes):
    message = make_message(store, order=order, recipient="asha@mail.example")
    service.post(API, **answer)

    drain.drain(Message, at=NOW)

    message.refresh_from_db()
    assert (message.state, message.outcome) == becomes
    assert message.provider_id == ("abc-1" if becomes[1] == "sent" else "")


def test_a_service_that_is_not_there_is_tried_again(settings, store, order):
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": "http://127.0.0.1:9/"}
    message = make_message(store, order=order)

    drain.drain(Message, at=NOW)

    message.refresh_from_db()
    assert (message.state, message.outcome) == ("due", "queued")
