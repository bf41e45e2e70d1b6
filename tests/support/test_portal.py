import re
import uuid

import pytest

from crm.events.models import Event
from crm.messaging.models import Message as Mail
from crm.work.drain import drain_all
from support import tickets
from support.models import Message, Ticket
from tests.factories import make_customer, make_guest, make_order, make_staff, make_store, make_ticket, sign_in

pytestmark = pytest.mark.django_db
QUESTION = {"subject": "Broken diya", "text": "It came in two pieces.", "type": "complaint", "order": ""}


@pytest.fixture
def customer(store, client):
    customer = make_customer(store, email="asha@shop.example")
    sign_in(client, customer.email)
    return customer


@pytest.fixture
def pages(store):
    return f"/s/{store.slug}/tickets/"


def html(response):
    return response.content.decode()


def test_a_customer_asks_and_reads_the_question(client, customer, pages):
    response = client.post(f"{pages}new/", QUESTION, follow=True)

    ticket = Ticket.objects.get()
    assert response.redirect_chain == [(f"{pages}{ticket.number}/", 302)]
    assert "It came in two pieces." in html(response)
    assert (ticket.channel, ticket.customer, ticket.email, ticket.type) == (
        "portal",
        customer,
        customer.email,
        "complaint",
    )


def test_a_question_about_an_order_comes_with_it_chosen(client, store, customer, pages):
    order = make_order(store, customer, number="W-17")
    page = html(client.get(f"{pages}new/?order=W-17"))
    assert f'<option value="{order.pk}" selected>#W-17' in page

    client.post(f"{pages}new/", QUESTION | {"order": order.pk})

    assert Ticket.objects.get().order == order


def test_somebody_elses_order_can_not_be_asked_about(client, store, customer, pages):
    order = make_order(store, make_customer(store), number="999")
    assert "#999" not in html(client.get(f"{pages}new/?order=999"))

    response = client.post(f"{pages}new/", QUESTION | {"order": order.pk})

    assert response.status_code == 400
    assert not Ticket.objects.exists()


def test_a_question_says_how_to_reach_the_store(client, store, customer, pages):
    store.contact_phone, store.contact_hours = "+91 20 12345", "Mon to Sat"
    store.save(update_fields=["contact_phone", "contact_hours"])

    page = html(client.get(f"{pages}new/"))

    assert "+91 20 12345" in page and "Mon to Sat" in page


def test_a_form_that_is_sent_twice_asks_once(client, customer, pages):
    key = re.search(r'name="key" value="([^"]+)"', html(client.get(f"{pages}new/")))[1]

    answers = [client.post(f"{pages}new/", QUESTION | {"key": key}) for _ in range(2)]

    assert Ticket.objects.count() == 1
    assert answers[0].url == answers[1].url


@pytest.mark.parametrize("text", ["", "   ", "x" * 10_001])
def test_a_text_that_is_missing_or_too_long_is_refused_and_kept(client, customer, pages, text):
    response = client.post(f"{pages}new/", QUESTION | {"text": text})

    assert response.status_code == 400
    assert text in html(response)
    assert 'aria-invalid="true"' in html(response) and 'id="text-error"' in html(response)
    assert not Ticket.objects.exists()


def test_a_text_of_the_longest_length_fits_however_its_lines_end(client, customer, pages):
    client.post(f"{pages}new/", QUESTION | {"text": "ab\r\n" * 3333 + "a"})

    assert Message.objects.get().body == "ab\n" * 3333 + "a"


def test_text_of_people_is_shown_and_never_run(client, customer, pages):
    text = '<script>alert(1)</script>\nसाठी 🎁\nhttps://example.org/?a=1&b=2 javascript:alert(1) "><img onerror=x>'
    client.post(f"{pages}new/", QUESTION | {"text": text, "subject": "<b>Hello</b>"})

    page = html(client.get(f"{pages}{Ticket.objects.get().number}/"))

    assert "<script>alert" not in page and "<img onerror" not in page and "<b>Hello" not in page
    assert '<a href="https://example.org/?a=1&amp;b=2" rel="nofollow">' in page
    assert "साठी 🎁<br>" in page
    assert 'href="javascript' not in page


def test_a_customer_answers_and_the_ticket_is_open_again(client, store, customer, pages):
    ticket = make_ticket(store, customer)
    tickets.resolve(ticket)

    response = client.post(f"{pages}{ticket.number}/", {"text": "Still nothing.", "key": uuid.uuid4()}, follow=True)

    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    assert "Still nothing." in html(response)


def test_an_answer_that_is_too_long_is_kept(client, store, customer, pages):
    ticket = make_ticket(store, customer)

    response = client.post(f"{pages}{ticket.number}/", {"text": "y" * 10_001})

    assert response.status_code == 400
    assert "y" * 10_001 in html(response)
    assert "this one has 10001" in html(response)


def test_an_address_that_sends_without_end_is_asked_to_wait_and_loses_no_text(client, store, customer, pages):
    for n in range(10):
        assert client.post(f"{pages}new/", QUESTION | {"subject": f"Question {n}"}).status_code == 302

    response = client.post(f"{pages}new/", QUESTION | {"text": "The eleventh."})

    assert response.status_code == 429
    assert "The eleventh." in html(response)
    assert Ticket.objects.count() == 10


def test_only_ones_own_tickets_are_listed_and_open(client, store, customer, pages):
    own = make_ticket(store, customer, subject="Mine")
    written = make_ticket(store, email="Asha@shop.example", subject="By mail")
    guest = make_ticket(store, make_guest(store, email="other@shop.example"), subject="Hers")
    other_store = make_store()
    elsewhere = make_ticket(other_store, make_customer(other_store, email=customer.email), subject="Elsewhere")
    other_ticket = make_ticket(other_store, email=customer.email)

    page = html(client.get(pages))

    assert "Mine" in page and "By mail" in page
    assert "Hers" not in page and "Elsewhere" not in page
    for ticket, status in [(own, 200), (written, 200), (guest, 404)]:
        assert client.get(f"{pages}{ticket.number}/").status_code == status
        assert client.post(f"{pages}{ticket.number}/", {"text": "Hello"}).status_code == (302 if status == 200 else 404)
    assert {elsewhere.number, other_ticket.number} == {1001, 1002}
    assert client.get(f"{pages}{10**20}/").status_code == 404


def test_strangers_are_sent_to_the_sign_in(client, store, pages):
    ticket = make_ticket(store, make_customer(store))

    for path in (pages, f"{pages}new/", f"{pages}{ticket.number}/"):
        response = client.get(path)
        assert response.status_code == 302
        assert "/sign-in/" in response.url


def test_reading_changes_nothing(client, store, customer, pages):
    ticket = make_ticket(store, customer)
    before = Ticket.objects.values().get(), list(Message.objects.values()), Event.objects.count()

    for path in (pages, f"{pages}new/", f"{pages}{ticket.number}/"):
        assert client.get(path).status_code == 200

    assert (Ticket.objects.values().get(), list(Message.objects.values()), Event.objects.count()) == before


def test_no_tickets_is_a_page_of_its_own(client, customer, pages):
    assert "You have not asked anything yet" in html(client.get(pages))


def test_the_list_costs_the_same_however_long_it_is(client, store, customer, pages, django_assert_max_num_queries):
    def look():
        with django_assert_max_num_queries(9) as queries:
            client.get(pages)
        return len(queries)

    make_ticket(store, customer)
    few = look()
    for _ in range(15):
        make_ticket(store, customer)

    assert look() == few


def test_a_note_reaches_no_door_of_the_customer(client, store, customer, pages, mailoutbox, api):
    """Invariant: an internal note can never reach a customer."""
    agent = make_staff(store, first_name="Priya")
    ticket = make_ticket(store, customer, channel="portal")
    tickets.note(ticket, agent, "SECRET before")
    tickets.reply_from_staff(ticket, agent, "It comes on Monday.")
    tickets.note(ticket, None, "SECRET after")
    tickets.resolve(ticket)
    drain_all()

    doors = [
        html(client.get(path)) for path in (f"/s/{store.slug}/", pages, f"{pages}new/", f"{pages}{ticket.number}/")
    ]
    doors += [mail.subject + mail.body + "".join(part[0] for part in mail.alternatives) for mail in mailoutbox]
    doors += [str(list(Mail.objects.values())), str(list(Event.objects.values()))]
    doors += [html(api.get(f"/api/v1/tickets/{ticket.pk}/messages/?internal=false")), html(api.get("/api/v1/events/"))]

    assert len(mailoutbox) == 2
    assert "It comes on Monday." in doors[3] and "It comes on Monday." in mailoutbox[1].body
    assert not [door for door in doors if "SECRET" in door]


def test_an_answer_is_mailed_with_the_way_back_to_the_conversation(store, customer, mailoutbox, pages):
    ticket = make_ticket(store, customer, subject="Broken & bent <diya>")
    tickets.reply_from_staff(ticket, make_staff(store), "Dear Asha,\n<b>a new one</b> & a gift come on Monday.")
    drain_all()

    (mail,) = mailoutbox
    page = mail.alternatives[0][0]
    assert mail.to == [customer.email]
    assert mail.subject == f"Re: Broken & bent <diya> [#{ticket.number}]"
    assert "<b>a new one</b> & a gift" in mail.body
    assert "&lt;b&gt;a new one&lt;/b&gt; &amp; a gift" in page
    assert f"{pages}{ticket.number}/" in mail.body and f"{pages}{ticket.number}/" in page


def test_the_portals_first_page_shows_open_questions(client, store, customer):
    make_ticket(store, customer, subject="Where is my parcel?")
    tickets.resolve(make_ticket(store, customer, subject="Settled long ago"))

    page = html(client.get(f"/s/{store.slug}/"))

    assert "Where is my parcel?" in page
    assert "Settled long ago" not in page
