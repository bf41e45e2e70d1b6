from datetime import timedelta

import pytest
from django.utils import timezone

from crm.events import recording
from crm.messaging import consent, gate, outbox
from crm.messaging.models import MailSettings, Message
from crm.messaging.reports import suppress
from crm.work import drain
from tests.factories import NOW, make_message, make_order, make_store

Reason = Message.SkipReason


def test_the_same_reason_is_queued_once(store, order):
    first = outbox.queue(store, "thank-you", "order:1", order=order)

    assert first.recipient == "asha@mail.example"
    assert outbox.queue(store, "thank-you", "order:1", order=order) is None
    assert outbox.queue(store, "thank-you", "order:2", order=order) is not None


def test_another_recipient_or_store_is_another_message(store, order):
    outbox.queue(store, "thank-you", "order:1", order=order)

    assert outbox.queue(store, "thank-you", "order:1", order=order, email="Other@mail.example").recipient == (
        "other@mail.example"
    )
    assert outbox.queue(make_store(), "thank-you", "order:1", email="asha@mail.example") is not None


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a@mail.example\r\nBcc: b@mail.example", "a b@mail.example"])
def test_without_a_usable_address_the_row_says_so(store, email):
    order = make_order(store, billing_email=email)

    message = outbox.queue(store, "thank-you", "order:1", order=order)

    assert (message.outcome, message.skip_reason, message.recipient) == ("skipped", Reason.NO_ADDRESS, "")


def test_the_recipients_language_is_used_where_the_store_offers_it(store, customer):
    customer.language = "mr_IN"
    assert outbox.queue(store, "thank-you", "a", customer=customer).language == "mr"

    customer.language = "fr_FR"
    assert outbox.queue(store, "thank-you", "b", customer=customer).language == "en"


def test_an_unknown_kind_is_refused(store):
    with pytest.raises(LookupError, match="No kind of message"):
        outbox.queue(store, "nonsense", "a", email="asha@mail.example")


def test_many_are_queued_in_a_constant_number_of_statements(store, order, django_assert_max_num_queries):
    drafts = [outbox.Draft(key=f"order:{n}", order=order) for n in range(50)]
    with django_assert_max_num_queries(5):
        assert len(outbox.queue_many(store, "thank-you", drafts)) == 50


def test_a_paid_order_brings_one_thank_you(store, customer, order, mailoutbox):
    recording.record("order.paid", store, order.woo_id, customer=customer, order=order)
    recording.record("order.paid", store, order.woo_id, customer=customer, order=order)
    drain.drain_all()

    assert [mail.to for mail in mailoutbox] == [["asha@mail.example"]]
    assert Message.objects.get().outcome == "sent"


def test_the_gate_lets_a_service_mail_through_without_consent(store, order):
    assert gate.closed(make_message(store, order=order), NOW) is None


def test_the_gate_closes_for_a_suppressed_address_of_this_store_or_of_all(store):
    message = make_message(store, recipient="asha@mail.example")
    suppress(make_store(), "asha@mail.example", "bounce")
    assert gate.closed(message, NOW) is None

    suppress(store, "Asha@mail.example", "bounce")
    assert gate.closed(message, NOW) == Reason.SUPPRESSED
    suppress(None, "b@mail.example", "manual")
    assert gate.closed(make_message(store, recipient="b@mail.example"), NOW) == Reason.SUPPRESSED


def test_marketing_needs_consent_and_ends_with_it(store, news):
    message = make_message(store, kind=news, recipient="asha@mail.example")
    assert gate.closed(message, NOW) == Reason.NO_CONSENT

    consent.give(store, "Asha@mail.example", source="checkout")
    assert gate.closed(message, NOW) is None
    consent.withdraw(store, "asha@mail.example", source="unsubscribe")
    assert gate.closed(message, NOW) == Reason.NO_CONSENT


def test_review_requests_need_no_consent_and_end_when_refused(store):
    message = make_message(store, purpose="review", recipient="asha@mail.example")
    assert gate.closed(message, NOW) is None

    consent.withdraw(store, "asha@mail.example", source="unsubscribe", purpose="review")

    assert gate.closed(message, NOW) == Reason.UNWANTED
    assert gate.closed(make_message(store, recipient="asha@mail.example"), NOW) is None


def test_consent_in_one_store_is_none_in_another(store, news):
    consent.give(make_store(), "asha@mail.example", source="checkout")

    assert gate.closed(make_message(store, kind=news, recipient="asha@mail.example"), NOW) == Reason.NO_CONSENT


@pytest.mark.parametrize("status", ["cancelled", "refunded", "failed"])
def test_the_gate_closes_when_the_order_has_gone(store, order, status):
    message = make_message(store, order=order)
    order.status = status

    assert gate.closed(message, NOW) == Reason.ORDER_GONE


def test_the_gate_closes_when_the_order_was_deleted_or_the_news_is_old_or_the_kind_is_off(store, order):
    assert gate.closed(make_message(store, useful_until=NOW), NOW + timedelta(seconds=1)) == Reason.STALE
    message = make_message(store, order=order)
    order.deleted_at = NOW
    assert gate.closed(message, NOW) == Reason.ORDER_GONE
    MailSettings.objects.create(store=store, switched_off=["thank-you"])
    assert gate.closed(make_message(store), NOW) == Reason.SWITCHED_OFF


def test_what_changes_between_planning_and_sending_is_seen(store, customer, order, mailoutbox):
    message = outbox.queue(store, "thank-you", "order:1", order=order, at=timezone.now() + timedelta(hours=1))
    order.status = "cancelled"
    order.save(update_fields=["status"])

    drain.drain_all(at=timezone.now() + timedelta(hours=2))

    message.refresh_from_db()
    assert (message.state, message.outcome, message.skip_reason) == ("done", "skipped", Reason.ORDER_GONE)
    assert mailoutbox == []
