"""The portal's pages as people meet them who see badly, hear them read, hold a small telephone, or run no scripts.

One browser walks all of them: on 320 px, on the half of a screen with text twice as large, and by the accessibility tree.
"""

import re
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from crm.work import drain
from loyalty import gifts, join_links
from loyalty.models import Member, ReferralCode, ReferralTerms, Reward
from tests import factories

pytestmark = pytest.mark.browser
EMAIL = "asha@mail.example"
HOME = "/s/masala/"
# What a person can work with must say what it is.
NAMED = {
    "button",
    "link",
    "textbox",
    "combobox",
    "spinbutton",
    "checkbox",
    "radio",
    "searchbox",
    "progressbar",
    "img",
    "image",
}

# What the tree does not tell: identifiers that stand twice, fields that are wrong and do not say why, headings that leave a level out.
FAULTS = """() => {
  const found = [];
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach(id => found.push('twice: #' + id));
  document.querySelectorAll('[aria-invalid=true]').forEach(field => {
    const said = (field.getAttribute('aria-describedby') || '').split(' ').map(id => document.getElementById(id));
    if (!said.some(e => e && e.textContent.trim() && e.classList.contains('error'))) found.push('no reason: ' + field.name);
  });
  document.querySelectorAll('[aria-labelledby],[aria-describedby]').forEach(e => {
    for (const name of ['aria-labelledby', 'aria-describedby'])
      (e.getAttribute(name) || '').split(' ').filter(Boolean).forEach(id => {
        if (!document.getElementById(id)) found.push(`${name} leads nowhere: ${id}`);
      });
  });
  document.querySelectorAll('p,td,th,caption,li,dt,dd,summary,label,small,h1,h2').forEach(e => {
    const box = e.getBoundingClientRect();
    if (e.textContent.trim().length > 5 && box.width < 32 && box.height > 5 * box.width && !e.closest('.hidden, .reflow thead'))
      found.push('letters below each other: ' + e.textContent.trim().slice(0, 40));
  });
  let last = 0;
  document.querySelectorAll('h1,h2,h3,h4').forEach(h => {
    const level = +h.tagName[1];
    if (level > last + 1) found.push(`h${level} after h${last}: ${h.textContent}`);
    last = level;
  });
  return found;
}"""


PLANTED = """<!doctype html><html lang="en"><title>x</title><main><h1>a</h1><h3 id="b">b</h3><p id="b">c</p><input aria-invalid="true">
<input aria-label="d" aria-describedby="gone"><progress></progress><a href="#"></a><img src="data:,"><h1>e</h1></main><main><p style="width:999px">f</p><p style="width:9px;overflow-wrap:anywhere">letters</p></main>"""


@pytest.fixture
def member(transactional_db):
    """Somebody with something on each page, whose shop and goods have long names."""
    cache.clear()
    store = factories.make_store(
        slug="masala", name="Maharashtra Masala and Pickle House", contact_email="help@masala.example",
        contact_phone="020 12345", languages=["en", "hi", "mr"],
    )  # fmt: skip
    program = factories.make_program(store, name="Masala Points", enrolment="join", pending_days=14, expiry="lot")
    factories.make_tier(program, "Gold with a rather long name", 2000, perks="Early access")
    ReferralTerms.objects.create(program=program, minimum_spend=300)
    for kind in ("review", "birthday", "profile", "social_share"):
        factories.make_occasion(store, kind=kind, points=50)
    customer = factories.make_customer(store, email=EMAIL)
    factories.make_member(customer)
    account = factories.make_account(customer, 1240)
    factories.make_order(store, customer, number="ORDER-2026-000000000000001", total=500, date_paid_gmt=timezone.now())
    factories.make_credit(customer, 1250)
    factories.make_redemption(account, factories.make_reward(store, 100), code="MASALA-7F3KQ-23456-READY")
    factories.make_reward(store, 50, kind="exchange", amount=10, step=50)
    factories.make_reward(store, 9000, kind="percent", amount=20, description="For your next festival order")
    card = factories.make_reward(store, 200, kind="gift_card", amount=500)
    gift = factories.make_redemption(account, card, code="MASALA-GIFT1-23456")
    factories.make_gift(gift, sender="Asha", message="Happy birthday")
    ReferralCode.objects.create(store=store, customer=customer, code="asha2345")
    factories.make_referral(customer, state="declined", reason="cap")
    return customer


def addresses(member):
    """`(who, path)` of each page: what everybody can open, and what one's own are."""
    store = member.store
    link = join_links.path(join_links.ask(store, "ravi@mail.example", "en"))
    rewards = dict(Reward.objects.values_list("kind", "pk"))
    codes = list(member.accounts.get(unit="points").redemptions.order_by("pk"))
    yield from (
        ("anybody", path)
        for path in (
            f"{HOME}rewards/about/", f"{HOME}rewards/join/", f"{HOME}rewards/join/sent/", link, f"{HOME}rewards/join/x/",
            f"{HOME}invite/asha2345/", f"{HOME}invite/asha2345/?done=1", f"{HOME}sign-in/",
            urlsplit(gifts.url(codes[-1].gift)).path,
        )
    )  # fmt: skip
    yield from (
        ("member", f"{HOME}{path}")
        for path in (
            "", "points/", "points/statement/", "rewards/", f"rewards/{rewards['money']}/", f"rewards/{rewards['gift_card']}/",
            "rewards/codes/", *(f"rewards/codes/{row.pk}/" for row in codes), "membership/", "credit/", "data/", "data/delete/",
        )
    )  # fmt: skip


def context_of(browser, live_server, client=None, language="en", **more):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, **more)
    context.set_default_timeout(15_000)
    cookies = {"django_language": language} | ({"sessionid": client.cookies["sessionid"].value} if client else {})
    context.add_cookies([{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()])
    return context


@pytest.fixture
def people(browser, live_server, client, member):
    """A page of a browser without scripts for a stranger and for the member: `people(language, width)`."""
    factories.sign_in(client, EMAIL)
    opened = []

    def pages(language="en", width=320):
        size = {"width": width, "height": 800}
        for who, session in (("anybody", None), ("member", client)):
            opened.append(context_of(browser, live_server, session, language, viewport=size))
            yield who, opened[-1].new_page()

    yield lambda *args: dict(pages(*args))
    for context in opened:
        context.close()


def tree(page):
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip(), node)
        for node in nodes
        if not node["ignored"] and "role" in node
    ]


def faults(page, language="en"):
    """What somebody who hears the page would stumble over."""
    found, nodes = page.evaluate(FAULTS), tree(page)
    roles = [role for role, _name, _node in nodes]
    found += [f"{role} without a name" for role, name, _node in nodes if role in NAMED and not name]
    found += [
        f"{roles.count(role)} times {role}" for role in ("main", "banner", "contentinfo") if roles.count(role) != 1
    ]
    first = [node for role, _name, node in nodes if role == "heading" and _property(node, "level") == 1]
    found += [f"{len(first)} first headings"] if len(first) != 1 else []
    found += ["no title"] if not page.title().strip(" ·") else []
    said = page.locator("html").get_attribute("lang")
    return found + ([f"says that it speaks {said}"] if said != language else [])


def _property(node, name):
    return next((entry["value"]["value"] for entry in node.get("properties", []) if entry["name"] == name), None)


def too_wide(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") > 0


def test_what_is_wrong_with_a_page_is_found(browser):
    page = browser.new_page(java_script_enabled=False, viewport={"width": 320, "height": 800})
    page.set_content(PLANTED)

    found = " | ".join(faults(page, "hi"))

    assert too_wide(page)
    page.close()
    for fault in (
        "twice: #b", "no reason", "aria-describedby leads nowhere: gone", "h3 after h1", "textbox without a name",
        "progressbar without a name", "link without a name", "2 times main", "0 times banner", "2 first headings",
        "says that it speaks en", "letters below each other: letters",
    ):  # fmt: skip
        assert fault in found, fault


def test_every_page_fits_a_small_telephone_and_large_text_and_can_be_heard(people, member):
    wrong = []
    paths = list(addresses(member))
    for language, width, larger in (("en", 320, False), ("hi", 640, True)):
        pages = people(language, width)
        for who, path in paths:
            page = pages[who]
            answer = page.goto(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert (
                answer.status == (404 if path.endswith("/x/") else 200)
                and urlsplit(page.url).path == path.split("?")[0]
            )
            if larger:
                page.evaluate("document.documentElement.style.fontSize = '200%'")
            if too_wide(page):
                wrong.append(f"{path} scrolls sideways at {width} px")
            wrong += [f"{path}: {fault}" for fault in faults(page, language)]

    assert not wrong, "\n".join(wrong)


def test_on_a_telephone_the_menu_stays_under_the_thumb_and_covers_nothing(people):
    for language, width in (("en", 320), ("hi", 360), ("mr", 320)):
        page = people(language, width)["member"]
        page.goto("/s/masala/")
        menu, entries = page.locator("header nav"), page.locator("header nav a").all()
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")

        frame, boxes = menu.bounding_box(), [entry.bounding_box() for entry in entries]
        assert frame["y"] + frame["height"] == 800 and 44 <= frame["height"] < 90, (language, frame)
        assert len(boxes) >= 4 and all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        assert not page.evaluate(
            "[...document.querySelectorAll('header nav a')].some(a => a.scrollWidth > a.clientWidth)"
        )
        end = page.locator("footer").bounding_box()
        assert end["y"] + end["height"] <= frame["y"], (language, end, frame)


def test_what_was_typed_wrong_is_said_at_its_field(people, member):
    pages, wrong = people(), []
    for who, path, button, field, typed in [
        ("anybody", "rewards/about/", "Join free", "email", "asha"),
        ("anybody", "rewards/join/", "Send me a link", "email", ""),
        ("anybody", "invite/asha2345/", "Accept the invitation", "email", "asha"),
        ("member", "data/delete/", "Yes, delete my data", "email", "no"),
        ("member", "membership/", "Save my birthday", "day", None),
    ]:
        page = pages[who]
        page.goto(f"{HOME}{path}")
        if typed is not None:
            page.locator(f"main [name={field}]").fill(typed)
        page.locator("main").get_by_role("button", name=button).click()
        wrong += [f"{path}: {fault}" for fault in faults(page)]
        if typed is not None and not page.locator(f"[name={field}][aria-invalid=true]").count():
            wrong.append(f"{path}: nothing is said of {field}")
        if too_wide(page):
            wrong.append(f"{path} scrolls sideways")

    assert not wrong, "\n".join(wrong)


def test_without_scripts_one_joins_takes_a_reward_and_has_ones_data(people, member, live_server, settings):
    settings.SITE_URL = live_server.url
    pages = people()
    page = pages["anybody"]
    page.goto(f"{HOME}rewards/about/")
    page.get_by_label("Email address").fill("ravi@mail.example")
    page.get_by_role("button", name="Join free").click()
    assert page.get_by_role("heading", name="Check your email").is_visible()
    drain.drain_all()
    page.goto(re.search(r"http\S+", mail.outbox[-1].body)[0])
    page.get_by_role("button", name="Join").click()
    assert page.get_by_role("heading", name="0 points").is_visible()
    assert Member.objects.filter(customer__email="ravi@mail.example").exists()

    page = pages["member"]
    page.goto(f"{HOME}rewards/")
    page.get_by_role("link", name=re.compile("Choose this.*off")).first.click()
    page.get_by_role("button", name="Get the code").click()
    assert page.get_by_text("The shop is making your code.").is_visible()
    page.goto(f"{HOME}data/")
    with page.expect_download() as file:
        page.get_by_role("button", name="Download my data").click()
    assert file.value.suggested_filename.startswith("my-data-masala-")
    page.get_by_role("link", name="Delete my data").click()
    page.get_by_label("Type your email address to confirm").fill(EMAIL)
    page.get_by_role("button", name="Yes, delete my data").click()
    assert page.get_by_role("heading", name="You have asked us to delete your data").is_visible()
