"""The whole way of one order through real doors: a shop's page, the portal, the mails, the help desk, the API.

Only the worker's clock is the test's: what is due is drained where a worker would have done so within seconds.
"""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from crm.stores.models import ApiKey, Store, User
from crm.work import drain
from postpurchase.demo import server
from tests.factories import make_api_key

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
EMAIL = "meera.joshi@mail.example"
LINK = re.compile(r"https?://[^\s\"<>]+")


@pytest.fixture
def shop(live_server, settings):
    """A demo shop that is connected and synced, and tells its webhooks to the live server."""
    settings.SITE_URL = live_server.url
    with server.running(server.small_shop()) as demo:
        call_command(
            "connect_store", demo.url, key=demo.key, secret=demo.secret, slug="masala", insecure=True, verbosity=0
        )
        call_command("sync", "masala", verbosity=0)
        drain.drain_all()
        assert mail.outbox == []  # history is silent
        yield demo


def work(shop, at=None):
    """Wait for the shop's webhooks to be told, then do what a worker would."""
    assert shop.settle()
    drain.drain_all(at=at)


def newest_mail(subject_part):
    """The last mail to the customer with these words in its subject."""
    found = [m for m in mail.outbox if m.to == [EMAIL] and subject_part.lower() in m.subject.lower()]
    assert found, [m.subject for m in mail.outbox]
    return found[-1]


def link_in(message, part):
    return next(link for link in LINK.findall(message.body) if part in link)


def test_an_order_from_payment_to_review(shop, page, live_server, client):
    # A customer buys in the shop.
    page.goto(f"{shop.url}/control/")
    form = page.locator("#place")
    form.get_by_label("E-mail").fill(EMAIL)
    form.get_by_label("Name").fill("Meera Joshi")
    form.get_by_role("button", name="Place order").click()
    work(shop)
    number = str(max(shop.shop.rows["orders"]))

    # The thank-you mail comes, with her name and the points.
    thanks = newest_mail(number)
    assert "Meera" in thanks.body and "points" in thanks.body

    # She signs in with a mailed code, and finds order and points.
    page.goto("/s/masala/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_role("button", name="Send me a code").click()
    work(shop)
    page.get_by_label("Code").fill(re.search(r"\b\d{4}[- ]?\d{4}\b", newest_mail("code").body)[0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Points").first.click()
    assert number in page.locator("main").inner_text()
    page.goto(f"/s/masala/orders/{number}/")
    assert page.get_by_role("heading", name=re.compile(number)).count()

    # She asks about it.
    page.goto(f"/s/masala/tickets/new/?order={number}")
    page.get_by_label(re.compile("subject", re.I)).fill("Is it a gift box?")
    page.locator("main textarea").fill("Please wrap it. <b>Thank you</b>")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_role("heading", name="Is it a gift box?").count()
    conversation = page.url

    # Staff see it in the help desk and answer; a note stays inside.
    User.objects.create_superuser("lead@shop.example", "a long enough password")
    desk = page.context.browser.new_context(base_url=live_server.url).new_page()
    desk.goto("/admin/")
    desk.get_by_label(re.compile("e-?mail", re.I)).fill("lead@shop.example")
    desk.get_by_label(re.compile("password", re.I)).fill("a long enough password")
    desk.get_by_role("button", name=re.compile("log in|sign in", re.I)).click()
    desk.goto("/admin/support/ticket/")
    desk.get_by_role("link", name=re.compile("gift box")).first.click()
    assert "<b>Thank you</b>" in desk.locator(".desk-thread").inner_text()
    desk.get_by_label("Note", exact=False).first.check()
    desk.locator(".desk-reply textarea").fill("Check the stock of boxes first.")
    desk.get_by_role("button", name="Keep note").click()
    desk.locator("input[name=kind][value=reply]").check()
    desk.locator(".desk-reply textarea").fill("It is wrapped already.")
    desk.get_by_role("button", name="Send and resolve").click()
    desk.context.close()
    work(shop)
    reply = newest_mail("gift box")
    assert "wrapped already" in reply.body and "stock of boxes" not in reply.body
    page.goto(conversation)
    said = page.locator("main").inner_text()
    assert "wrapped already" in said and "stock of boxes" not in said

    # The parcel leaves: a mail with a link that shows it without a log-in.
    order_id = int(number)
    shop.shop.ship(order_id, [{"carrier": "Blue Dart", "number": "BD0000001IN"}])
    work(shop)
    tracking = link_in(newest_mail(number), "/t/")
    stranger = page.context.browser.new_context().new_page()
    stranger.goto(tracking)
    assert "BD0000001IN" in stranger.locator("main").inner_text()

    # It arrives; some days later she is asked for a review. Low stars bring a ticket.
    shop.shop.complete(order_id)
    work(shop)
    assert not any("/r/" in m.body for m in mail.outbox)
    work(shop, at=timezone.now() + timedelta(days=8))
    invitation = next(m for m in reversed(mail.outbox) if "/r/" in m.body and m.to == [EMAIL])
    stranger.goto(link_in(invitation, "/r/"))
    stranger.locator("input[type=radio][value='2']").first.check(force=True)
    stranger.locator("main textarea").first.fill("The lid was broken.")
    stranger.locator("main form").get_by_role("button").last.click()
    stranger.context.close()
    work(shop)

    # The merchant reads all of it over the API.
    _row, key = make_api_key(Store.objects.get(slug="masala"), list(ApiKey.Scope.values))

    def read(path):
        return client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}).json()["results"]

    order = read(f"orders/?number={number}")[0]
    assert order["status"] == "completed" and order["billing_email"] == EMAIL
    assert read(f"loyalty/entries/?order={order['id']}")[0]["kind"] == "earn"
    types = {event["type"] for event in read(f"events/?limit=100&order={order['id']}")}
    assert {"order.created", "order.paid", "shipment.shipped", "order.completed"} <= types
    tickets = {ticket["subject"]: ticket for ticket in read("tickets/")}
    assert tickets["Is it a gift box?"]["status"] == "resolved"
    assert any(ticket["type"] == "review" or "review" in ticket["channel"] for ticket in tickets.values())
    assert read(f"shipments/?order={order['id']}")[0]["number"] == "BD0000001IN"
