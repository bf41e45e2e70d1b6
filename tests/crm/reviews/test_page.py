import re
from datetime import timedelta

import pytest

from crm.events.models import Event
from crm.reviews import invitations
from crm.reviews.models import Answer
from crm.stores import links
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return factories.make_store(name="Masala House", contact_email="help@masala.example", contact_phone="020 12345")


@pytest.fixture
def order(store):
    customer = factories.make_customer(store, email="asha@mail.example")
    lines = [{"product": factories.make_product(store, name=name)} for name in ("Brass diya", "Masala chai")]
    return factories.make_order(store, customer, number="1234", status="completed", lines=lines)


@pytest.fixture
def invitation(order):
    return factories.make_invitation(order, outcome="invited", state="done")


@pytest.fixture
def url(invitation):
    return invitations.path(invitation)


def fields(order, *items, name="Asha K."):
    """Form data: for each line of the order a dict of its fields."""
    data = {"shown_name": name}
    for line, item in zip(order.line_items.order_by("pk"), items, strict=False):
        data |= {f"item-{line.pk}-{key}": value for key, value in item.items()}
    return data


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_the_page_asks_about_every_item_without_a_log_in(client, url):
    response = client.get(url)

    page = response.content.decode()
    assert response.status_code == 200
    assert "Brass diya" in page and "Masala chai" in page
    assert page.count('type="radio"') == 10 and "Excellent" in page and "Very poor" in page
    assert 'value="Asha K."' in page and "good and bad alike" in page
    assert "<script" not in page


def test_looking_changes_nothing(client, url):
    client.get(url)
    client.get(url + "?stars=1")
    client.head(url)

    assert not Answer.objects.exists() and not Event.objects.exists()


def test_stars_and_words_are_kept_and_wait(client, url, order):
    response = client.post(url, fields(order, {"score": "5", "text": "Shines."}, {"score": "4"}), follow=True)

    assert "Thank you" in text_of(response)
    assert [(a.product_name, a.score, a.text, a.state) for a in Answer.objects.order_by("pk")] == [
        ("Brass diya", 5, "Shines.", "waiting"),
        ("Masala chai", 4, "", "waiting"),
    ]
    assert Answer.objects.first().shown_name == "Asha K."
    assert [event.data["score"] for event in Event.objects.filter(type="survey.answered").order_by("pk")] == [5, 4]


def test_what_is_left_empty_is_skipped(client, url, order):
    client.post(url, fields(order, {}, {"score": "3"}))

    assert [answer.product_name for answer in Answer.objects.all()] == ["Masala chai"]


def test_a_low_score_is_told_and_somebody_will_write(client, url, order, invitation):
    response = client.post(url, fields(order, {"score": "2", "text": "Bent."}), follow=True)

    assert "write to you" in text_of(response) and "020 12345" in text_of(response)
    event = Event.objects.get(type="survey.answered")
    assert event.key == str(Answer.objects.get().pk)
    assert (event.order, event.customer) == (order, order.customer)
    assert event.data == {"score": 2, "text": "Bent.", "product": "Brass diya", "invitation_id": invitation.pk}


def test_an_item_that_never_came_gets_no_stars_and_is_told(client, url, order):
    response = client.post(url, fields(order, {"not_received": "on", "score": "1"}), follow=True)

    answer = Answer.objects.get()
    assert (answer.score, answer.not_received) == (None, True)
    assert Event.objects.get().type == "survey.not_received"
    assert "write to you" in text_of(response)


def test_answers_can_be_changed_while_they_wait(client, url, order):
    client.post(url, fields(order, {"score": "5", "text": "Shines."}))
    page = client.get(url).content.decode()
    assert "Shines." in page and re.search(r'value="5" checked', page)

    client.post(url, fields(order, {"score": "4", "text": "Shines less."}))
    client.post(url, fields(order, {"score": "4", "text": "Shines less."}))

    answer = Answer.objects.get()
    assert (answer.score, answer.text) == (4, "Shines less.")
    assert Event.objects.count() == 1


def test_a_score_that_falls_later_is_told_once(client, url, order):
    for score in ("5", "2", "1", "2"):
        client.post(url, fields(order, {"score": score}))

    events = Event.objects.order_by("pk")
    assert [(event.data["score"], event.key.partition(":")[2]) for event in events] == [(5, ""), (2, "lowered")]


@pytest.mark.parametrize(
    "state", [{"state": "posted", "woo_id": 7}, {"state": "approved"}, {"state": "declined", "decline_reason": "spam"}]
)
def test_answers_that_were_decided_on_stay_as_they_are(client, url, order, state):
    line = order.line_items.order_by("pk").first()
    factories.make_answer(line, text="Shines.", **state)

    client.post(url, fields(order, {"score": "1", "text": "changed"}, {"score": "4"}))

    assert Answer.objects.get(line=line).text == "Shines."
    assert "Shines." in client.get(url).content.decode()
    assert Answer.objects.count() == 2


def test_nothing_said_is_an_error_and_not_an_answer(client, url, order):
    response = client.post(url, fields(order))

    assert "at least one item" in text_of(response)
    assert not Answer.objects.exists()


def test_words_without_stars_are_kept_in_the_form(client, url, order):
    response = client.post(url, fields(order, {"text": "Lovely colour"}, {"score": "5"}))

    assert "number of stars" in text_of(response) and "Lovely colour" in response.content.decode()
    assert not Answer.objects.exists()


@pytest.mark.parametrize("score", ["0", "6", "-1", "five", "5.5", "99999999999999999999"])
def test_odd_stars_are_refused(client, url, order, score):
    assert client.post(url, fields(order, {"score": score})).status_code == 200
    assert not Answer.objects.exists()


def test_items_of_other_orders_can_not_be_answered(client, url, store, order):
    other = factories.make_order(store, factories.make_customer(store), lines=[{}])

    client.post(url, fields(order, {"score": "5"}) | fields(other, {"score": "1"}))

    assert [answer.line.order for answer in Answer.objects.all()] == [order]


def test_markup_stays_text(client, url, order):
    client.post(url, fields(order, {"score": "5", "text": "<script>alert(1)</script>"}, name="<b>Asha</b>"))

    page = client.get(url).content.decode()
    assert "<script>" not in page and "<b>Asha" not in page


def test_a_name_is_needed(client, url, order):
    client.post(url, fields(order, {"score": "5"}, name="  "))

    assert not Answer.objects.exists()


def test_two_sizes_of_one_product_are_asked_about_once(client, store, order):
    parent = factories.make_product(store, name="Kurta", type="variable")
    for size in "ML":
        variation = factories.make_product(store, name=f"Kurta {size}", parent=parent, type="variation")
        factories.make_line(order, variation, name=f"Kurta {size}")

    page = client.get(invitations.path(factories.make_invitation(order))).content.decode()

    assert "Kurta M" in page and "Kurta L" not in page


def test_an_expired_link_says_so_with_the_stores_contact(client, url, time_machine):
    from django.utils import timezone

    time_machine.move_to(timezone.now() + timedelta(days=60, minutes=1))
    response = client.get(url)

    assert response.status_code == 410
    assert "This link has expired" in text_of(response) and "help@masala.example" in response.content.decode()


@pytest.mark.parametrize("how", ["garbage", "other purpose", "other store", "cut"])
def test_a_forged_link_opens_nothing(client, invitation, url, how):
    token = url.split("/")[2]
    forged = {
        "garbage": "x",
        "other purpose": links.make("track", invitation.store_id, invitation.pk),
        "other store": links.make("review", factories.make_store().pk, invitation.pk),
        "cut": token[:-2],
    }[how]

    for path in (f"/r/{forged}/", f"/r/{forged}/thanks/"):
        response = client.get(path)
        assert response.status_code == 404
        assert "This link does not work" in text_of(response) and "Brass diya" not in text_of(response)
    client.post(f"/r/{forged}/", {"shown_name": "x"})
    assert not Answer.objects.exists()


def test_a_cancelled_order_is_not_reviewed(client, url, order):
    order.status = "cancelled"
    order.save(update_fields=["status"])

    assert client.get(url).status_code == 410
    assert client.post(url, fields(order, {"score": "5"})).status_code == 410
    assert not Answer.objects.exists()


def test_the_page_speaks_the_customers_language(client, url, order):
    order.customer.language = "mr_IN"
    order.customer.save(update_fields=["language"])

    assert '<html lang="mr">' in client.get(url).content.decode()


def test_the_order_in_the_portal_leads_to_the_page(client, url, order):
    factories.sign_in(client, order.customer.email)

    page = client.get(f"/s/{order.store.slug}/orders/1234/").content.decode()

    assert "Review your items" in page
    assert client.get(re.search(r'href="(/r/[^"]+)"', page)[1]).status_code == 200


def test_the_number_of_queries_does_not_grow(client, store, order, invitation, url, django_assert_max_num_queries):
    for n in range(20):
        factories.make_line(order, factories.make_product(store), name=f"Item {n}")

    with django_assert_max_num_queries(8):
        client.get(url)
