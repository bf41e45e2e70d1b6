"""Whatever customers, shops and carriers write is shown as words: no page and no mail makes a live node of it."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from crm.messaging import compose, kinds, outbox
from crm.orders.models import Coupon
from crm.reviews import invitations
from crm.shipping import carriers, pages, parcels
from crm.shipping.models import TrackingEvent
from crm.stores import links
from crm.woocommerce import values
from loyalty import gifts
from loyalty.models import Gift
from support import tickets
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

# Each bears `pwned` where it would act.
TEXTS = [
    "<script>pwned()</script>",
    "</script><script>pwned()</script>",
    "<ScRiPt src=//evil.example/pwned.js></sCrIpT>",
    "<img src=x onerror=pwned()>",
    "<svg/onload=pwned()>",
    "<svg><animate onbegin=pwned() attributeName=x>",
    "<body onpageshow=pwned()>",
    "<iframe srcdoc='<script>parent.pwned()</script>'>",
    "<a href='javascript:pwned()'>pwned</a>",
    "<form action=javascript:pwned()><button>pwned",
    "<details open ontoggle=pwned()>",
    "<style>@import '//evil.example/pwned.css'</style>",
    '" onmouseover="pwned()" x="',
    "' autofocus onfocus='pwned()",
    "`-pwned()-`",
    "--><img src=x onerror=pwned()>",
    "]]><script>pwned()</script>",
    "<p x-data x-init='pwned()' @click='pwned()' :href='pwned()'>",
    "pwned{{ 7*7 }}pwned {% load pwned %}",
    "{{ settings.SECRET_KEY }} {% include 'pwned' %}",
    "pwned%(name)s%s%n{0}${7*7}",
    "\u202epwned\u202c\u2066",
    "pwned\r\nBcc: pwned@evil.example\r\n\r\n<b onclick=pwned()>",
    "\ufeffpwned\u2028<img/src=x/onerror=pwned()>\u2029",
    "&lt;script&gt;pwned()&lt;/script&gt;&#60;img src=x onerror=pwned()&#62;",
]
ADDRESSES = [
    "javascript:pwned()",
    " \tJaVaScRiPt:pwned()",
    "java\nscript:pwned()",
    "data:text/html,<script>pwned()</script>",
    "vbscript:pwned()",
    'https://evil.example/" onmouseover="pwned()',
    "//evil.example/'><script>pwned()</script>",
]
# Several at a time, of which the short fields hold the first.
TOGETHER = [" ".join(TEXTS[n : n + 5]) for n in range(0, len(TEXTS), 5)]
ADDRESS_LIKE = re.compile(r"^[\x00-\x20]*(javascript|vbscript|data)\s*:", re.IGNORECASE)
RUNS = re.compile(r"^(on|x-|@|:)|^(srcdoc|style|formaction)$", re.IGNORECASE)


class Nodes(HTMLParser):
    """Collects what of a page would run, or was made by somebody's words: anything live with `pwned` in it."""

    def __init__(self):
        super().__init__()
        self.live, self.raw = [], ""

    def handle_starttag(self, tag, attrs):
        self.raw = tag if tag in ("script", "style") else ""
        if "pwned" in tag:
            self.live.append(tag)
        for name, value in attrs:
            value = value or ""
            inside = "pwned" in value.lower()
            links_away = inside and (ADDRESS_LIKE.match(value) or (tag in ("script", "link", "iframe")))
            if "pwned" in name or (RUNS.search(name) and inside) or links_away:
                self.live.append(f"<{tag} {name}={value!r}>")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        self.raw = ""

    def handle_data(self, data):
        if self.raw and "pwned" in data:
            self.live.append(f"<{self.raw}>{data[:200]}")


def live_nodes(html) -> list[str]:
    parser = Nodes()
    parser.feed(html)
    parser.close()
    return parser.live + (["the template was run"] if "pwned49pwned" in html else [])


def make_hostile(words, address):
    """A shop whose every word that comes from outside is `words`, every address of a page `address`."""
    # As the mapping lets addresses and numbers in.
    address, number = values.web_address(address), " ".join(words.split())[:100]
    store = factories.make_store(contact_email="help@shop.example")
    place = dict.fromkeys(
        ["first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "phone", "email"],
        words,
    )
    # Legal in an address: quotes hold nearly anything.
    email = '"<img/src=x/onerror=pwned()>"@mail.example'
    customer = factories.make_customer(
        store, email=email, first_name=words[:200], last_name=words[:200], phone=words[:60], username=words[:200],
        billing=place, shipping=place, meta_data=[{"id": 1, "key": words, "value": {words: [words]}}],
    )  # fmt: skip
    category = factories.make_category(store, name=words[:300], slug=words[:300], image_url=address, count=3)
    product = factories.make_product(
        store, name=words, slug=words[:300], sku=words[:200], type=words[:60], status=words[:60], permalink=address,
        image_url=address, short_description=words, stock_status=words[:60],
    )  # fmt: skip
    product.categories.add(category)
    order = factories.make_order(
        store, customer, number=number, status="completed", currency="INR", created_via=words[:100],
        payment_method=words[:200], payment_method_title=words, customer_note=words, billing=place, shipping=place,
        coupon_lines=[{"code": words, "discount": "1.00"}], fee_lines=[{"name": words, "total": "1.00"}],
        shipping_lines=[{"method_title": words, "total": "1.00"}], tax_lines=[{"label": words, "tax_total": "1.00"}],
        meta_data=[
            *factories.tracking_meta(
                {"custom_tracking_provider": words, "tracking_provider": "", "custom_tracking_link": address, "tracking_number": words}
            ),
            {"id": 2, "key": words, "value": words},
        ],
        date_completed_gmt=NOW,
    )  # fmt: skip
    line = factories.make_line(order, product, name=words, sku=words[:200], image_url=address, meta_data=[{"id": 1, "key": words, "display_key": words, "value": words, "display_value": words}])  # fmt: skip
    [shipment] = parcels.read(store, [order], NOW)
    TrackingEvent.objects.create(shipment=shipment, occurred_at=NOW, status="in_transit", text=words[:300], place=words[:150])  # fmt: skip
    ticket = factories.make_ticket(store, customer, order=order, subject=words, text=words, channel="portal")
    rows = [
        customer, category, product, order, shipment, ticket, factories.make_refund(order, reason=words),
        factories.make_answer(line, text=words, shown_name=words[:80], score=1),
        Coupon.objects.create(store=store, woo_id=1, code=words[:200], amount=1, discount_type=words[:60], description=words),
    ]  # fmt: skip
    tickets.reply_from_staff(ticket, None, words)
    account = factories.make_account(customer, points=10)
    reward = factories.make_reward(store, 5, description=words[:300])
    redemption = factories.make_redemption(account, reward, code="HOSTILE-1", error=words)
    factories.make_gift(
        factories.make_redemption(account, factories.make_reward(store, 5, kind="gift_card"), code="HOSTILE-2"),
        sender=words[:40], message=words[:300],
    )  # fmt: skip
    return store, customer, order, [*rows, account, account.entries.get(), reward, redemption]


def addresses_of(store, order, rows):
    """`(who, address)` of each page where the words are shown."""
    home = f"/s/{store.slug}/"
    ticket = next(row for row in rows if hasattr(row, "assignee_id"))
    token = links.make(invitations.PURPOSE, store.pk, order.review_invitation.pk)
    yield from (
        ("customer", home + page)
        for page in ("", "orders/", "points/", "rewards/", "tickets/", "track/", "tickets/new/")
    )
    yield "customer", reverse("portal-order", args=[store.slug, order.number])
    yield "customer", f"{home}tickets/new/?order={quote(order.number)}"
    yield "customer", reverse("portal-ticket", args=[store.slug, ticket.number])
    gift = Gift.objects.get(store=store)
    yield from (
        ("customer", page)
        for page in (
            pages.path(order), f"/r/{token}/", f"/r/{token}/thanks/", gifts.url(gift),
            f"{home}rewards/codes/{gift.redemption_id}/",
        )
    )  # fmt: skip
    yield "owner", admin_page(gift.redemption, "change", gift.redemption_id)
    yield "owner", "/admin/"
    for row in rows:
        yield "owner", admin_page(row, "changelist")
        yield "owner", admin_page(row, "change", row.pk)
    for label in ("events.Event", "messaging.Message"):
        yield "owner", reverse(f"admin:{label.lower().replace('.', '_')}_changelist")
    yield "owner", f"/admin/support/ticket/?q={quote(order.number)}"


def admin_page(row, page, *args):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("number", range(len(TOGETHER)))
def test_no_page_makes_a_live_node_of_what_somebody_wrote(number):
    words, address = TOGETHER[number], ADDRESSES[number % len(ADDRESSES)]
    store, customer, order, rows = make_hostile(words, address)
    clients = {"customer": Client(), "owner": Client()}
    factories.sign_in(clients["customer"], customer.email)
    clients["owner"].force_login(factories.make_staff(store), backend="django.contrib.auth.backends.ModelBackend")

    wrong, shown = [], 0
    for person, url in addresses_of(store, order, rows):
        response = clients[person].get(url)
        html = response.content.decode()
        if response.status_code != 200:
            wrong.append(f"{url}: {response.status_code}")
        wrong += [f"{url}: {node}" for node in live_nodes(html)]
        shown += "pwned" in html

    assert not wrong, "\n".join(wrong)
    assert shown > 15


@pytest.mark.parametrize("number", range(len(TOGETHER)))
def test_no_mail_makes_a_live_node_or_a_header_of_what_somebody_wrote(number):
    words = TOGETHER[number]
    store, customer, order, _rows = make_hostile(words, ADDRESSES[number % len(ADDRESSES)])
    said = dict.fromkeys(
        [
            "subject",
            "title",
            "text",
            "number",
            "product",
            "tier",
            "lower",
            "perks",
            "friend",
            "reason",
            "reward",
            "code",
            "amount",
            "balance",
            "sender",
            "message",
        ],
        words,
    ) | {"url": "https://shop.example/"}
    # What only our own code puts in.
    said |= dict.fromkeys(["until", "last_day", "drops_on", "day", "expires"], "2026-07-01")
    said |= {"points": 5, "items": [{"day": "2026-07-01", "points": 5}], "missing": "3", "measure": "spend"}
    said |= {"left": 5, "why": [words]}

    for kind in kinds.KINDS:
        message = outbox.queue(
            store, kind, "hostile", customer=customer, order=order, email="a@b.example", context=said
        )
        mail = compose.email(message)
        raw = mail.message().as_bytes()
        assert live_nodes(mail.alternatives[0].content) == [], kind
        assert "pwned49pwned" not in mail.body
        assert len(mail.subject.splitlines()) == 1
        assert b"\nbcc:" not in raw.lower().partition(b"\n\n")[0]
        assert mail.recipients() == ["a@b.example"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_carriers_or_a_products_link_leads_to_the_web_or_nowhere(address):
    assert carriers.safe_url(address) == values.web_address(address) == ""


def test_the_api_answers_as_data_that_no_browser_takes_for_a_page(api):
    words = TOGETHER[0]
    factories.make_customer(api.store, first_name=words)

    response = api.get("/api/v1/customers/")

    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json()["results"][0]["first_name"] == words


ODD = ["a\x00b", "x" * 10_000, "٣", "9" * 400, "-1", "\ud7ff\uffff'"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_no_odd_word_in_an_address_breaks_a_page(world, odd):
    """Whatever stands in a query or a path, the answer is a page or a kind refusal."""
    word, home = quote(odd), f"/s/{world.a.store.slug}/"
    asked = [
        ("customer", f"{home}{page}={word}")
        for page in ("orders/?page", "tickets/?page", "tickets/new/?order", "points/?page", "sign-in/?next")
    ]
    asked += [("customer", f"{home}orders/{word}/"), ("customer", f"/t/{word}/"), ("customer", f"/r/{word}/")]
    asked += [("anonymous", f"{home}rewards/join/{word}/"), ("anonymous", f"{home}rewards/join/?lang={word}")]
    asked += [("customer", f"/u/{word}/"), ("customer", f"/s/{word}/"), ("owner", f"/admin/?store={word}")]
    asked += [("owner", f"/admin/search/?s={word}"), ("owner", f"/admin/support/ticket/?view={word}")]
    # Each list is asked in turn with one of the words: they search alike.
    for model in list(admin.site._registry)[ODD.index(odd) :: len(ODD)]:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        asked += [("owner", f"/admin/{label.replace('_', '/', 1)}/?{name}={word}") for name in ("q", "p", "o")]
    for name in ("customers", "orders", "products", "refunds", "shipments", "events", "tickets", "loyalty/entries"):
        asked += [
            ("key", f"/api/v1/{name}/?{field}={word}") for field in ("cursor", "page_size", "number", "status", "order")
        ]

    broken = []
    for person, url in asked:
        try:
            status = world.clients[person].get(url).status_code
        except Exception as error:
            status = f"{type(error).__name__}: {error}"
        if status not in (200, 302, 400, 403, 404):
            broken.append(f"{person} {unquote(url)[:120]}: {status}")

    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("odd", ["\x00", "x" * 20_000, "\ud7ff", "<script>"], ids=ascii)
def test_no_odd_word_in_a_form_breaks_a_page(world, odd):
    home, review = (
        f"/s/{world.a.store.slug}/",
        links.make(invitations.PURPOSE, world.a.store.pk, world.a["reviews.Invitation"].pk),
    )
    line = world.a["orders.LineItem"].pk
    forms = [
        ("customer", f"{home}tickets/new/", ["subject", "text", "type", "order", "cause"]),
        ("customer", f"{home}tickets/{world.a['support.Ticket'].number}/", ["text", "cause"]),
        ("anonymous", f"{home}sign-in/", ["email", "next"]),
        ("anonymous", f"{home}track/", ["number", "proof"]),
        ("anonymous", f"{home}rewards/join/", ["email"]),
        ("anonymous", f"/r/{review}/", ["shown_name", f"item-{line}-score", f"item-{line}-text"]),
        ("anonymous", "/accounts/login/", ["login", "password", "next"]),
        ("anonymous", "/i18n/setlang/", ["language", "next"]),
        ("agent", f"/admin/support/ticket/{world.a['support.Ticket'].pk}/answer/", ["text", "kind", "seen", "then", "view"]),
        ("agent", f"/admin/support/ticket/{world.a['support.Ticket'].pk}/set/", ["assignee"]),
        ("agent", f"/admin/support/ticket/{world.a['support.Ticket'].pk}/set/", ["priority"]),
        ("agent", f"/admin/support/ticket/{world.a['support.Ticket'].pk}/set/", ["status"]),
    ]  # fmt: skip

    broken = []
    for person, url, fields in forms:
        try:
            status = world.clients[person].post(url, dict.fromkeys(fields, odd)).status_code
        except Exception as error:
            status = f"{type(error).__name__}: {error}"
        if status not in (200, 302, 400, 403, 404, 429):
            broken.append(f"{person} {url}: {status}")

    assert not broken, "\n".join(broken)


def test_nothing_odd_in_a_programs_body_breaks_the_api(world):
    for body in [
        "",
        "[]",
        "null",
        "1",
        '"x"',
        "{",
        '{"text": "\\u0000"}',
        '{"points": 1e400}',
        '{"points": NaN}',
        "[" * 5000,
    ]:
        for url in ("/api/v1/tickets/", f"/api/v1/tickets/{world.a['support.Ticket'].pk}/messages/",
                    f"/api/v1/loyalty/accounts/{world.a['loyalty.Account'].pk}/adjust/"):  # fmt: skip
            response = world.clients["key"].post(url, body, content_type="application/json")
            assert response.status_code == 400, (url, body[:20], response.status_code)
            assert json.loads(response.content)["errors"]


@pytest.mark.browser
def test_a_browser_runs_nothing_of_it(page, live_server, settings):
    """The worst of it, as a real browser reads it: on the ticket's page of the desk and on the tracking page."""
    words = " ".join(TEXTS[:9] + TEXTS[12:18])
    store, _customer, order, rows = make_hostile(words, ADDRESSES[0])
    owner = factories.make_staff(store)
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    ran = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.expose_function("pwned", lambda *_: ran.append("pwned"))
    ticket = next(row for row in rows if hasattr(row, "assignee_id"))

    for url in (admin_page(ticket, "change", ticket.pk), pages.path(order), "/admin/support/ticket/"):
        page.goto(url)
        page.wait_for_load_state("load")
        assert "pwned" in page.content()
        assert page.locator("img[src='x'], [onerror], svg[onload]").count() == 0

    assert ran == []
