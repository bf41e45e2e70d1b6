import re
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.events.recording import record
from crm.messaging.models import Message as Mail
from crm.orders import panels
from crm.stores.models import Membership
from support import tickets
from support.models import Message, Ticket
from tests.factories import make_account, make_customer, make_line, make_order, make_staff, make_store, make_ticket

pytestmark = pytest.mark.django_db
QUEUE = "/admin/support/ticket/"


@pytest.fixture
def customer(store):
    return make_customer(store, email="asha@shop.example")


@pytest.fixture
def agent(store, client):
    agent = make_staff(store, Membership.Role.AGENT, first_name="Priya")
    client.force_login(agent)
    return agent


@pytest.fixture
def ticket(store, customer):
    return make_ticket(store, customer, subject="Where is my parcel?", at=timezone.now())


def html(response):
    return response.content.decode()


def page(ticket, what="change"):
    return f"{QUEUE}{ticket.pk}/{what}/"


def draft(ticket, text="It comes on Monday.", **fields):
    last = ticket.messages.order_by("-pk").first().pk
    return {"kind": "reply", "text": text, "then": "stay", "seen": last, "view": "active"} | fields


def test_an_agent_answers_from_the_ticket_page(client, agent, ticket):
    response = client.post(page(ticket, "answer"), draft(ticket), follow=True)

    ticket.refresh_from_db()
    assert response.status_code == 200
    assert "It comes on Monday." in html(response)
    assert ticket.first_responded_at
    assert ticket.messages.get(author_kind="staff").author == agent
    assert Mail.objects.get(kind="ticket-reply").recipient == "asha@shop.example"


@pytest.mark.parametrize(("then", "status"), [("stay", "open"), ("wait", "waiting"), ("resolve", "resolved")])
def test_a_button_sends_and_moves_the_ticket(client, agent, ticket, then, status):
    client.post(page(ticket, "answer"), draft(ticket, then=then))

    ticket.refresh_from_db()
    assert ticket.status == status


def test_a_note_is_kept_and_marked_in_words(client, agent, ticket):
    response = client.post(page(ticket, "answer"), draft(ticket, "Called DHL.", kind="note"), follow=True)

    assert ticket.messages.get(internal=True).body == "Called DHL."
    assert not Mail.objects.exists()
    assert "the customer can&#x27;t see this" in html(response) or "the customer can't see this" in html(response)


def test_a_stale_answer_is_refused_and_its_draft_kept(client, agent, ticket):
    stale = draft(ticket, "My long draft.")
    tickets.reply_from_customer(ticket, "It has come!")

    response = client.post(page(ticket, "answer"), stale)

    assert response.status_code == 409
    assert "1 new message since you opened this page" in html(response)
    assert "My long draft." in html(response) and "It has come!" in html(response)
    assert not Message.objects.filter(author_kind="staff").exists()
    seen = re.search(r'name="seen" value="(\d+)"', html(response))[1]
    assert client.post(page(ticket, "answer"), stale | {"seen": seen}).status_code == 302


def test_an_empty_or_endless_answer_is_refused(client, agent, ticket):
    for text in ("", "x" * 10_001):
        response = client.post(page(ticket, "answer"), draft(ticket, text))
        assert response.status_code == 400
        assert text in html(response)
    assert ticket.messages.count() == 1


def test_an_answer_that_is_sent_twice_is_written_once(client, agent, ticket):
    sent = draft(ticket, key="2b1f7a4e-6a55-4f4e-8d4a-0d9b4a4f5a11")

    for _ in range(2):
        assert client.post(page(ticket, "answer"), sent).status_code == 302

    assert ticket.messages.count() == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "waiting"), ("status", "closed"), ("priority", "urgent"), ("type", "warranty")],
)
def test_one_thing_is_changed_and_stands_in_the_history(client, agent, ticket, name, value):
    response = client.post(page(ticket, "set"), {name: value}, follow=True)

    ticket.refresh_from_db()
    assert getattr(ticket, name) == value
    assert "Priya: " in html(response)
    assert client.get(page(ticket, "history")).status_code == 200


def test_a_ticket_is_assigned_to_members_of_the_store_only(client, agent, ticket):
    stranger = make_staff(make_store(), first_name="Nobody-here")
    assert "Nobody-here" not in html(client.get(page(ticket)))

    client.post(page(ticket, "set"), {"assignee": agent.pk})
    ticket.refresh_from_db()
    assert ticket.assignee == agent

    for wrong in (stranger.pk, 10**9, "x"):
        response = client.post(page(ticket, "set"), {"assignee": wrong}, follow=True)
        assert "be chosen" in html(response)
    ticket.refresh_from_db()
    assert ticket.assignee == agent

    client.post(page(ticket, "set"), {"assignee": ""})
    ticket.refresh_from_db()
    assert ticket.assignee is None


@pytest.mark.parametrize("wrong", [{}, {"status": "gone"}, {"priority": "x"}, {"type": ""}])
def test_what_is_no_choice_changes_nothing(client, agent, ticket, wrong):
    before = Ticket.objects.values().get()

    client.post(page(ticket, "set"), wrong)

    assert Ticket.objects.values().get() == before


def test_the_page_shows_the_customer_the_orders_and_what_happened(client, agent, store, customer, ticket):
    order = make_order(store, customer, number="W-17")
    make_line(order, name="Paithani saree")
    Ticket.objects.filter(pk=ticket.pk).update(order=order)
    record("order.paid", store, 17, customer=customer, order=order, data={"total": "100.00", "currency": "INR"})
    record("points.earned", store, 1, customer=customer, data={"points": 10, "balance": 10})
    make_ticket(store, customer, subject="Wrong size")

    shown = html(client.get(page(ticket)))

    assert "Asha Kulkarni" in shown and "Paithani saree" in shown
    assert "Order #W-17 paid, ₹100.00" in shown
    assert "10 points earned" in shown
    assert "Wrong size" in shown


def test_facts_stand_between_the_messages_in_the_order_of_time(client, agent, store, customer, ticket):
    hour = timedelta(hours=1)
    record(
        "order.paid",
        store,
        1,
        customer=customer,
        data={"number": "1", "total": "5.00", "currency": "EUR"},
        occurred_at=ticket.created_at - hour,
    )
    record(
        "shipment.shipped",
        store,
        2,
        customer=customer,
        data={"number": "P1", "carrier": "DHL"},
        occurred_at=ticket.created_at + hour,
    )
    tickets.reply_from_staff(ticket, agent, "It is on its way.", at=ticket.created_at + 2 * hour)

    shown = html(client.get(page(ticket)))

    thread = shown[shown.index("desk-thread") :]
    order = [
        thread.index(words)
        for words in ("Order #1 paid", "Where is my parcel?", "Parcel P1 shipped with DHL", "It is on its way.")
    ]
    assert order == sorted(order)


def test_other_rooms_show_panels_beside_the_customer(client, agent, ticket, monkeypatch):
    monkeypatch.setattr(panels, "_PANELS", [])
    panels.panel("support/desk/nothing.html", lambda store, customer, order: None, 1)
    panels.panel("support/state.html", lambda store, customer, order: {"customer": customer}, 2)

    response = client.get(page(ticket))

    assert [values["customer"] for _template, values in response.context["panels"]] == [ticket.customer]


def test_the_points_of_a_customer_stand_beside_the_ticket(client, agent, ticket):
    make_account(ticket.customer, points=1240)

    shown = html(client.get(page(ticket)))

    assert "<strong>1,240</strong>" in shown and "+1,240" in shown


def test_hostile_text_is_shown_and_never_run(client, agent, store):
    customer = make_customer(store, first_name="<img src=x onerror=alert(1)>")
    ticket = make_ticket(store, customer, subject="<script>alert(2)</script>", text="<script>alert(3)</script>")
    record("order.created", store, 1, customer=customer, data={"number": "<script>alert(4)</script>"})
    record("odd.happened", store, 1, customer=customer)

    for path in (page(ticket), f"{QUEUE}?view=all"):
        shown = html(client.get(path))
        assert "<script>alert" not in shown and "<img src=x" not in shown


def test_the_queue_has_views_with_counts(client, agent, store):
    now = timezone.now()
    tickets.assign(make_ticket(store, subject="Assigned one", at=now), agent)
    tickets.wait_for_customer(make_ticket(store, subject="Waiting one", at=now))
    make_ticket(store, subject="Late one", at=now - timedelta(hours=1))
    tickets.resolve(make_ticket(store, subject="Resolved one", at=now))
    expected = {
        "": {"Assigned one", "Waiting one", "Late one"},
        "mine": {"Assigned one"},
        "unassigned": {"Waiting one", "Late one"},
        "late": {"Late one"},
        "waiting": {"Waiting one"},
        "all": {"Assigned one", "Waiting one", "Late one", "Resolved one"},
    }

    for view, subjects in expected.items():
        response = client.get(QUEUE, {"view": view} if view else {})
        assert {ticket.subject for ticket in response.context["cl"].result_list} == subjects
        tabs = {tab["name"]: tab["count"] for tab in response.context["desk_tabs"]}
        assert tabs[view or "active"] == len(subjects)
    assert response.context["cl"].result_list[0].subject == "Late one"
    assert "late 55 min" in html(response) and "waiting for customer" in html(response)


@pytest.mark.parametrize("term", ["parcel", "1001", "#1001", "asha@shop", "Kulkarni", "W-17", "#W-17", "birthday"])
def test_the_queue_is_searched(client, agent, store, customer, term):
    order = make_order(store, customer, number="W-17")
    ticket = make_ticket(store, customer, subject="Where is my parcel?", text="It is for a birthday.", order=order)
    make_ticket(store, make_customer(store, last_name="Weiß"), subject="Other", text="Hello")

    response = client.get(QUEUE, {"q": term, "view": "all"})

    assert list(response.context["cl"].result_list) == [ticket]


def test_several_tickets_are_taken_or_resolved_at_once(client, agent, store, ticket):
    other = make_ticket(store)

    for action in ("take_selected", "resolve_selected"):
        client.post(QUEUE, {"action": action, "_selected_action": [ticket.pk, other.pk]})

    assert Ticket.objects.filter(assignee=agent, status="resolved").count() == 2


def test_a_viewer_reads_and_changes_nothing(client, store, ticket):
    client.force_login(make_staff(store, Membership.Role.VIEWER))

    shown = client.get(page(ticket))
    refused = [
        client.post(page(ticket, "answer"), draft(ticket)),
        client.post(page(ticket, "set"), {"status": "closed"}),
    ]
    client.post(QUEUE, {"action": "resolve_selected", "_selected_action": [ticket.pk]})

    assert shown.status_code == 200 and "<textarea" not in html(shown)
    assert [response.status_code for response in refused] == [403, 403]
    ticket.refresh_from_db()
    assert (ticket.status, ticket.messages.count()) == ("open", 1)


def test_staff_of_another_store_find_nothing(client, ticket):
    client.force_login(make_staff(make_store()))

    assert client.get(page(ticket)).status_code == 404
    assert client.post(page(ticket, "answer"), draft(ticket)).status_code == 404
    assert client.post(page(ticket, "set"), {"status": "closed"}).status_code == 404
    assert client.get(page(ticket, "history")).status_code in (302, 404)
    assert ticket.subject not in html(client.get(QUEUE, {"view": "all"}))


def test_getting_changes_nothing(client, agent, ticket):
    before = Ticket.objects.values().get()

    assert client.get(page(ticket, "answer")).status_code == 405
    assert client.get(page(ticket, "set"), {"status": "closed"}).status_code == 405
    assert client.get(page(ticket)).status_code == 200

    assert Ticket.objects.values().get() == before


def test_pages_cost_the_same_however_much_they_show(client, agent, store, customer, django_assert_max_num_queries):
    order = make_order(store, customer)
    ticket = make_ticket(store, customer, order=order)
    make_account(customer, points=5)

    def grow(n):
        for i in range(n):
            tickets.reply_from_staff(ticket, agent, f"Answer {i}")
            make_ticket(store, customer)
            make_line(make_order(store, customer))
            record("points.earned", store, f"{n}-{i}", customer=customer, data={"points": 1})
            make_staff(store)

    def queries():
        with django_assert_max_num_queries(41) as captured:
            assert client.get(page(ticket)).status_code == 200
            assert client.get(QUEUE).status_code == 200
        return len(captured)

    grow(3)
    client.get(page(ticket))
    few = queries()
    grow(6)

    assert queries() == few


def test_staff_write_down_a_call(client, agent, store, customer):
    order = make_order(store, customer, number="W-17")
    call = {
        "store": store.pk,
        "channel": "phone",
        "type": "delivery",
        "priority": "high",
        "subject": "Parcel?",
        "text": "She called.",
    }

    response = client.post(f"{QUEUE}add/", call | {"email": "Asha@shop.example", "order_number": "#W-17"})

    ticket = Ticket.objects.get()
    assert response.url == page(ticket)
    assert (ticket.customer, ticket.order, ticket.assignee, ticket.priority) == (customer, order, agent, "high")
    assert ticket.messages.get().body == "She called."
    assert not Mail.objects.exists()


def test_a_call_is_written_down_in_ones_own_stores_only(client, agent, store):
    elsewhere = make_store()
    watched = make_store()
    Membership.objects.create(user=agent, store=watched, role=Membership.Role.VIEWER)
    call = {"channel": "phone", "type": "delivery", "priority": "high", "subject": "Parcel?", "text": "She called."}
    shown = html(client.get(f"{QUEUE}add/"))

    for other in (elsewhere, watched):
        assert other.name not in shown
        assert client.post(f"{QUEUE}add/", call | {"store": other.pk}).status_code == 200
    wrong_order = client.post(f"{QUEUE}add/", call | {"store": store.pk, "order_number": "404"})

    assert "no order of this number" in html(wrong_order)
    assert not Ticket.objects.exists()


def test_a_viewer_writes_down_no_call(client, store):
    client.force_login(make_staff(store, Membership.Role.VIEWER))

    assert client.get(f"{QUEUE}add/").status_code == 403


@pytest.mark.browser
def test_keys_and_drafts_spare_the_mouse(page, live_server, client, transactional_db):
    store = make_store()
    agent = make_staff(store)
    first, second = (make_ticket(store, subject=subject, at=timezone.now()) for subject in ("First", "Second"))
    client.force_login(agent)
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{QUEUE}{first.pk}/change/")

    page.keyboard.press("n")
    page.keyboard.type("jk is typed, not obeyed")
    page.reload()

    assert page.locator("textarea").input_value() == "jk is typed, not obeyed"
    page.keyboard.press("j")
    page.wait_for_url(f"**/{second.pk}/change/**")
    assert page.locator("textarea").input_value() == ""
    page.keyboard.press("k")
    page.wait_for_url(f"**/{first.pk}/change/**")
    page.keyboard.press("r")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_load_state()
    assert page.locator("textarea").input_value() == ""
    assert Message.objects.filter(ticket=first, author=agent, internal=False).count() == 1
