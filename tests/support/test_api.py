import pytest

from crm.messaging.models import Message as Mail
from support import tickets
from support.models import Message, Ticket
from tests.factories import make_customer, make_order, make_staff, make_store, make_ticket

pytestmark = pytest.mark.django_db
URL = "/api/v1/tickets/"


def fields_of(response):
    return {error["attr"] for error in response.json()["errors"]}


def test_a_ticket_is_opened_for_a_customer(api):
    customer = make_customer(api.store, email="asha@shop.example")
    order = make_order(api.store, customer)

    response = api.post(
        URL, {"subject": "Broken", "text": "In two.", "customer": customer.pk, "order": order.pk, "type": "return"}
    )

    answer = response.json()
    assert response.status_code == 201
    assert (answer["number"], answer["status"], answer["channel"], answer["type"]) == (1001, "open", "api", "return")
    assert (answer["customer"], answer["order"], answer["email"]) == (customer.pk, order.pk, "asha@shop.example")
    assert answer == api.get(f"{URL}{answer['id']}/").json()
    assert Message.objects.get().body == "In two."


def test_an_address_alone_finds_its_customer(api):
    customer = make_customer(api.store, email="asha@shop.example")

    answer = api.post(URL, {"subject": "Hi", "text": "Hello.", "email": "Asha@shop.example"}).json()

    assert answer["customer"] == customer.pk


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"subject": ""}, {"subject"}),
        ({"text": "x" * 10_001}, {"text"}),
        ({"text": "a\x00b"}, {"text"}),
        ({"type": "nonsense"}, {"type"}),
        ({"email": "no address"}, {"email"}),
        ({"email": ""}, {"customer"}),
        ({"customer": 10**30}, {"customer"}),
        ({"customer": True}, {"customer"}),
    ],
)
def test_wrong_fields_are_named(api, change, wrong):
    response = api.post(URL, {"subject": "Hi", "text": "Hello.", "email": "a@shop.example"} | change)

    assert response.status_code == 400
    assert fields_of(response) == wrong
    assert not Ticket.objects.exists()


def test_rows_of_another_store_or_customer_are_refused(api):
    elsewhere = make_store()
    stranger = make_customer(elsewhere)
    question = {"subject": "Hi", "text": "Hello."}

    assert fields_of(api.post(URL, question | {"customer": stranger.pk})) == {"customer"}
    assert fields_of(api.post(URL, question | {"order": make_order(elsewhere, stranger).pk})) == {"order"}
    own = make_customer(api.store)
    order = make_order(api.store, make_customer(api.store))
    assert fields_of(api.post(URL, question | {"customer": own.pk, "order": order.pk})) == {"order"}


def test_a_repeated_request_opens_one_ticket_and_answers_alike(api):
    question, key = {"subject": "Hi", "text": "Hello.", "email": "a@shop.example"}, {"Idempotency-Key": "k1"}

    first, second = (api.post(URL, question, headers=key) for _ in range(2))

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Ticket.objects.count() == 1


def test_a_program_answers_and_keeps_notes(api):
    ticket = make_ticket(api.store, make_customer(api.store))
    url = f"{URL}{ticket.pk}/messages/"

    reply = api.post(url, {"text": "On Monday."}, headers={"Idempotency-Key": "r1"})
    again = api.post(url, {"text": "On Monday."}, headers={"Idempotency-Key": "r1"})
    note = api.post(url, {"text": "Asked the carrier.", "internal": True})
    said = api.post(url, {"text": "Thanks!", "author_kind": "customer"})

    assert [r.status_code for r in (reply, again, note, said)] == [201] * 4
    assert reply.json()["id"] == again.json()["id"]
    assert (reply.json()["author_kind"], reply.json()["author"], note.json()["internal"]) == ("staff", None, True)
    assert [m["text"] for m in api.get(url).json()["results"]] == [
        "Thanks!",
        "Asked the carrier.",
        "On Monday.",
        "Where is my parcel?",
    ]
    assert [m["text"] for m in api.get(f"{url}?internal=true").json()["results"]] == ["Asked the carrier."]
    assert Mail.objects.filter(kind="ticket-reply").count() == 1


def test_a_customers_note_is_refused(api):
    ticket = make_ticket(api.store)

    response = api.post(f"{URL}{ticket.pk}/messages/", {"text": "x", "internal": True, "author_kind": "customer"})

    assert (response.status_code, fields_of(response)) == (400, {"internal"})


def test_tickets_are_filtered(api):
    customer = make_customer(api.store)
    order = make_order(api.store, customer)
    one = make_ticket(api.store, customer, order=order)
    two = tickets.resolve(make_ticket(api.store))
    ids = lambda query: [row["id"] for row in api.get(f"{URL}?{query}").json()["results"]]  # noqa: E731

    assert ids("") == [two.pk, one.pk]
    assert ids("status=open") == ids(f"customer={customer.pk}") == ids(f"order={order.pk}") == [one.pk]
    assert ids("status=open,resolved") == [two.pk, one.pk]
    assert ids("created_after=2026-06-15T12:00:00Z&created_before=2026-06-15T12:00:01Z") == [two.pk, one.pk]
    assert ids("created_after=2026-06-16T00:00:00Z") == []


def test_another_stores_tickets_are_not_found(api):
    ticket = make_ticket(make_store())

    assert api.get(URL).json()["results"] == []
    assert api.get(f"{URL}{ticket.pk}/").status_code == 404
    assert api.get(f"{URL}{ticket.pk}/messages/").status_code == 404
    assert api.post(f"{URL}{ticket.pk}/messages/", {"text": "Hello."}).status_code == 404


def test_reading_and_writing_take_a_scope_each(store, api_client):
    reader = api_client(store, scopes=["tickets:read"])
    ticket = make_ticket(store)

    assert reader.get(URL).status_code == 200
    assert reader.post(URL, {"subject": "Hi", "text": "x", "email": "a@b.example"}).status_code == 403
    assert reader.post(f"{URL}{ticket.pk}/messages/", {"text": "x"}).status_code == 403
    assert api_client(store, scopes=["orders:read"]).get(f"{URL}{ticket.pk}/messages/").status_code == 403


def test_a_page_costs_the_same_however_long_it_is(api, django_assert_num_queries):
    agent = make_staff(api.store)

    def queries():
        with django_assert_num_queries(3) as captured:
            assert api.get(URL).status_code == 200
        return len(captured)

    tickets.assign(make_ticket(api.store), agent)
    api.get(URL)
    few = queries()
    for _ in range(8):
        tickets.assign(make_ticket(api.store), agent)

    assert queries() == few
