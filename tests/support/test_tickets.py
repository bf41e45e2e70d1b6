import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from crm.events.models import Event
from crm.events.recording import record
from crm.messaging.models import Message as Mail
from crm.stores.models import Membership
from crm.work.drain import drain_all
from support import tickets
from support.models import Message, Ticket
from tests.factories import NOW, make_customer, make_guest, make_order, make_staff, make_store, make_ticket

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@shop.example")


@pytest.fixture
def ticket(store, customer):
    return make_ticket(store, customer, subject="Where is my parcel?")


@pytest.fixture
def agent(store):
    return make_staff(store, Membership.Role.AGENT, first_name="Priya")


def fresh(ticket):
    return Ticket.objects.get(pk=ticket.pk)


def test_each_store_counts_its_own_tickets(store):
    other = make_store()

    numbers = [make_ticket(store).number, make_ticket(store).number, make_ticket(other).number]

    assert numbers == [1001, 1002, 1001]


def test_a_ticket_is_told_of_once_and_acknowledged_by_mail(store, customer):
    ticket = make_ticket(store, customer, channel="portal", subject="Broken diya", text="It came in two pieces.")

    event = Event.objects.get(type="ticket.opened")
    mail = Mail.objects.get(kind="ticket-opened")
    assert (event.key, event.customer, event.data["subject"]) == (str(ticket.pk), customer, "Broken diya")
    assert mail.recipient == "asha@shop.example"
    assert mail.context["url"].endswith(f"/s/{store.slug}/tickets/{ticket.number}/")


@pytest.mark.parametrize("channel", ["phone", "chat", "review"])
def test_who_spoke_to_a_person_gets_no_acknowledgement(store, customer, channel):
    make_ticket(store, customer, channel=channel)

    assert not Mail.objects.exists()


def test_the_first_answer_is_due_five_minutes_after_opening(ticket):
    assert ticket.first_response_due_at == NOW + 5 * MINUTE
    assert ticket.answer_due_at == NOW + 5 * MINUTE
    assert list(Ticket.objects.late(NOW + 5 * MINUTE)) == []
    assert list(Ticket.objects.late(NOW + 6 * MINUTE)) == [ticket]


def test_a_reply_of_staff_is_mailed_and_stops_the_clock(ticket, agent):
    message = tickets.reply_from_staff(ticket, agent, "It comes on Monday.", at=NOW + 3 * MINUTE)

    ticket = fresh(ticket)
    mail = Mail.objects.get(kind="ticket-reply")
    assert ticket.first_responded_at == NOW + 3 * MINUTE
    assert ticket.waiting_since is None
    assert (mail.key, mail.recipient, mail.context["text"]) == (
        str(message.pk),
        "asha@shop.example",
        "It comes on Monday.",
    )
    assert Event.objects.get(type="ticket.replied").data["by"] == "staff"


def test_a_second_reply_keeps_the_time_of_the_first(ticket, agent):
    tickets.reply_from_staff(ticket, agent, "One.", at=NOW + MINUTE)
    tickets.reply_from_staff(ticket, agent, "Two.", at=NOW + 2 * MINUTE)

    assert fresh(ticket).first_responded_at == NOW + MINUTE


@pytest.mark.parametrize("done", [tickets.wait_for_customer, tickets.resolve, tickets.close])
def test_a_customers_reply_opens_the_ticket_again(ticket, agent, done):
    tickets.reply_from_staff(ticket, agent, "Done.", at=NOW + MINUTE)
    done(ticket)

    tickets.reply_from_customer(ticket, "It is not.", at=NOW + 60 * MINUTE)

    ticket = fresh(ticket)
    assert (ticket.status, ticket.resolved_at) == (Ticket.Status.OPEN, None)
    # A new answer is owed, and the first one keeps its time.
    assert ticket.answer_due_at == NOW + 65 * MINUTE
    assert ticket.first_responded_at == NOW + MINUTE


def test_a_customer_who_writes_twice_waits_since_the_first_message(ticket):
    tickets.reply_from_customer(ticket, "Hello?", at=NOW + 2 * MINUTE)

    assert fresh(ticket).waiting_since == NOW


def test_an_answer_from_a_page_that_missed_a_message_is_refused(ticket, agent):
    seen = ticket.messages.get().pk
    tickets.reply_from_customer(ticket, "Found it, thank you.")

    with pytest.raises(tickets.NewerMessages) as refused:
        tickets.reply_from_staff(ticket, agent, "It comes on Monday.", seen=seen)

    assert refused.value.count == 1
    assert not Message.objects.filter(author_kind="staff").exists()


def test_ones_own_newer_messages_do_not_stop_an_answer(ticket, agent):
    seen = ticket.messages.get().pk
    tickets.note(ticket, agent, "Asked the carrier.")

    tickets.reply_from_staff(ticket, agent, "It comes on Monday.", seen=seen)

    assert ticket.messages.public().count() == 2


def test_a_note_moves_no_clock_makes_no_event_and_no_mail(ticket, agent):
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    events = Event.objects.count()

    tickets.note(ticket, agent, "Difficult customer.", at=NOW + MINUTE)

    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert Event.objects.count() == events
    assert not Mail.objects.exists()


@pytest.mark.parametrize("kind", ["reply_from_staff", "note"])
def test_only_who_answers_for_the_store_writes_in_it(ticket, kind):
    viewer = make_staff(ticket.store, Membership.Role.VIEWER)
    stranger = make_staff(make_store())

    for user in (viewer, stranger):
        with pytest.raises(tickets.NotAnAgent):
            getattr(tickets, kind)(ticket, user, "Hello.")


def test_a_ticket_goes_to_members_of_its_store_only(ticket, agent):
    tickets.assign(ticket, agent)
    with pytest.raises(tickets.NotAnAgent):
        tickets.assign(ticket, make_staff(make_store()))

    assert fresh(ticket).assignee == agent
    assert list(tickets.agents(ticket.store)) == [agent]


def test_each_time_a_ticket_is_resolved_is_told_once(ticket):
    tickets.resolve(ticket, at=NOW + MINUTE)
    tickets.resolve(ticket, at=NOW + 2 * MINUTE)
    tickets.reopen(ticket)
    tickets.resolve(ticket, at=NOW + 3 * MINUTE)

    assert Event.objects.filter(type="ticket.resolved").count() == 2
    assert fresh(ticket).resolved_at == NOW + 3 * MINUTE


def test_the_same_cause_opens_one_ticket(store):
    first = make_ticket(store, cause="form:1")

    assert make_ticket(store, cause="form:1") == first
    assert Message.objects.count() == 1


def test_the_same_cause_writes_one_message(ticket, agent):
    for _ in range(2):
        tickets.reply_from_customer(ticket, "Hello?", cause="form:2")
        tickets.reply_from_staff(ticket, agent, "Hello.", cause="form:3")

    assert ticket.messages.count() == 3
    assert Mail.objects.filter(kind="ticket-reply").count() == 1


def test_rows_of_another_store_can_not_be_in_a_ticket(store):
    with pytest.raises(ValueError):
        make_ticket(store, make_customer(make_store()))


@pytest.mark.parametrize(
    "fields",
    [
        {"author_kind": "customer", "internal": True},
        {"author_kind": "staff", "body": ""},
        {"author_kind": "customer", "author": "agent"},
    ],
)
def test_the_database_refuses_a_message_that_breaks_the_rules(ticket, agent, fields):
    if "author" in fields:
        fields = fields | {"author": agent}

    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(ticket=ticket, **{"body": "Secret"} | fields)


@pytest.mark.parametrize(
    "fields", [{"status": "resolved"}, {"resolved_at": NOW}, {"status": "closed", "resolved_at": NOW}]
)
def test_the_database_refuses_a_done_ticket_without_time_or_with_an_answer_owed(ticket, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(**fields)


def answered(store, score, key="7", order=None, customer=None):
    data = {"score": score, "text": "Chipped rim.", "product": "Brass diya", "invitation_id": 3}
    record("survey.answered", store, key, customer=customer, order=order, data=data)
    drain_all()


@pytest.mark.parametrize(("score", "opened"), [(1, 1), (3, 1), (4, 0), (5, 0)])
def test_a_low_score_opens_a_ticket(store, customer, score, opened):
    order = make_order(store, customer)

    answered(store, score, order=order, customer=customer)

    found = Ticket.objects.filter(cause="survey:7", type="review", channel="review", customer=customer, order=order)
    assert found.count() == opened


def test_low_scores_of_one_order_share_a_ticket_each_once(store, customer):
    order = make_order(store, customer)

    answered(store, 1, "7", order, customer)
    answered(store, 2, "8", order, customer)
    again = {"text": "", "product": "Brass diya", "customer": customer, "order": order}
    tickets.follow_up_rating(store, cause="survey:8", score=2, **again)

    bodies = list(Ticket.objects.get().messages.values_list("body", flat=True))
    assert bodies == ["Brass diya: rated 1 of 5.\n\nChipped rim.", "Brass diya: rated 2 of 5.\n\nChipped rim."]


def test_what_never_came_is_a_matter_of_delivery(store, customer):
    order = make_order(store, customer, number="W-17")
    data = {"score": None, "text": "", "product": "", "invitation_id": 3}
    record("survey.not_received", store, "7", customer=customer, order=order, data=data)
    drain_all()

    ticket = Ticket.objects.get(type="delivery", order=order)
    assert ticket.subject == "Not received: #W-17"
    assert ticket.messages.get().body == "#W-17 has not arrived."


def test_a_joined_guests_tickets_go_along(store, customer):
    guest = make_guest(store)
    ticket = make_ticket(store, guest)

    record("customer.joined", store, guest.pk, data={"guest_id": guest.pk, "customer_id": customer.pk})
    drain_all()

    assert fresh(ticket).customer == customer


@pytest.mark.django_db(transaction=True)
def test_tickets_opened_at_once_get_different_numbers_and_one_cause_one_ticket(store):
    def work(n):
        try:
            make_ticket(store)
            make_ticket(store, cause="survey:1")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(Ticket.objects.values_list("number", flat=True)) == list(range(1001, 1008))
