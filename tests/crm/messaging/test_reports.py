"""What a mail service reports, from django-anymail's signal to the address that gets no mail any more."""

from datetime import timedelta

import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.utils import timezone

from crm.events.models import Event
from crm.messaging import consent, gate
from crm.messaging.models import DeliveryReport, Message, Suppression
from crm.work import drain
from tests.factories import NOW, make_message


@pytest.fixture
def sent(store, customer):
    return make_message(
        store, customer=customer, recipient="asha@mail.example", state="done", outcome="sent", sent_at=NOW,
        handed_over_at=NOW, provider_id="<77@service>",
    )  # fmt: skip


def report(type, **fields):
    defaults = {"message_id": "<77@service>", "recipient": "Asha@mail.example", "timestamp": NOW, "metadata": {}}
    tracking.send(sender=None, event=AnymailTrackingEvent(event_type=type, **defaults | fields), esp_name="Service")


def test_a_bounce_closes_the_address_and_is_told(store, sent):
    report("bounced", reject_reason="bounced", description="550 no such user")
    drain.drain_all()

    sent.refresh_from_db()
    assert sent.outcome == "bounced" and sent.error == "550 no such user"
    assert gate.is_suppressed(store.pk, "asha@mail.example")
    assert Event.objects.get(type="message.bounced").key == str(sent.pk)


def test_a_report_that_comes_twice_counts_once(sent):
    report("bounced")
    report("bounced")
    drain.drain_all()

    assert DeliveryReport.objects.count() == Suppression.objects.count() == 1


def test_a_complaint_ends_consent_and_mail(store, sent):
    consent.give(store, "asha@mail.example", source="checkout")
    report("complained")
    drain.drain_all()

    assert Suppression.objects.get().reason == "complaint"
    assert not consent.is_given(store, "asha@mail.example")


def test_an_unsubscription_at_the_service_ends_consent_alone(store, sent):
    consent.give(store, "asha@mail.example", source="checkout")
    report("unsubscribed")
    drain.drain_all()

    assert not consent.is_given(store, "asha@mail.example") and not Suppression.objects.exists()


def test_a_delivery_solves_what_was_unknown(sent):
    Message.objects.update(outcome="unknown", sent_at=None)
    report("delivered", message_id=None, metadata={"message": str(sent.public_id)})
    drain.drain_all()

    sent.refresh_from_db()
    assert (sent.outcome, sent.delivered_at, sent.sent_at) == ("sent", NOW, NOW)


def test_a_report_that_overtakes_the_sending_waits_for_it(sent):
    Message.objects.update(handed_over_at=None)
    report("bounced")
    drain.drain_all()
    assert DeliveryReport.objects.get().state == "due"

    Message.objects.update(handed_over_at=NOW)
    drain.drain_all(at=timezone.now() + timedelta(minutes=1))
    assert Message.objects.get().outcome == "bounced"


def test_reports_of_mail_that_is_not_ours_are_let_go(sent):
    report("bounced", message_id="<elsewhere>")
    for minutes in (0, 1, 5, 20):
        drain.drain_all(at=timezone.now() + timedelta(minutes=minutes))

    assert DeliveryReport.objects.get().state == "done"
    assert not Suppression.objects.exists()


def test_clicks_and_openings_are_not_kept(sent):
    report("opened")
    report("clicked")

    assert not DeliveryReport.objects.exists()


def test_a_rejection_for_the_services_own_reasons_leaves_the_address_open(store, sent):
    report("rejected", reject_reason="timed_out")
    drain.drain_all()

    assert Message.objects.get().outcome == "bounced" and not gate.is_suppressed(store.pk, "asha@mail.example")
