"""Points on the pages of the demo shop, in a browser, from the product to the thank-you page."""

import pytest
from django.urls import reverse

from crm.orders.models import Customer
from loyalty.models import ShopDisplay
from postpurchase.demo import server
from postpurchase.demo.points import Points
from tests.factories import make_account, make_program, make_store

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECRET = "a secret that both know"


@pytest.fixture
def shop(live_server):
    address = live_server.url + reverse("loyalty-display", args=["masala"])
    with server.running(server.small_shop(), points=Points(address, SECRET)) as demo:
        store = make_store(slug="masala", url=demo.url)
        make_program(store)
        ShopDisplay.objects.create(store=store, secret=SECRET)
        yield demo


def simple_product(shop):
    return next(p for p in shop.shop.rows["products"].values() if p["type"] == "simple" and p["price"])


def test_product_and_thank_you_page_say_what_is_earned_and_what_one_has(page, shop):
    person = next(c for c in shop.shop.rows["customers"].values() if c["role"] == "customer")
    product = simple_product(shop)
    earned = int(float(product["price"]))
    make_account(
        Customer.objects.create(store_id=ShopDisplay.objects.get().store_id, woo_id=person["id"], email=person["email"]), 1240
    )  # fmt: skip
    shown = page.locator("[data-postpurchase]")

    page.goto(f"{shop.url}/checkout/?product={product['id']}")
    shown.get_by_text(f"You will earn {earned} points.", exact=True).wait_for()
    page.get_by_label("Signed in").select_option(str(person["id"]))
    page.get_by_role("button", name="Sign in").click()
    shown.get_by_text(f"You will earn {earned} points. You have 1,240 points.").wait_for()
    page.get_by_role("button", name="Place order").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    shown.get_by_text("You have 1,240 points.").wait_for()

    # A cart that draws itself anew, as WooCommerce's does.
    page.evaluate("document.querySelector('[data-postpurchase]').outerHTML = "
                  f"'<p hidden data-postpurchase=\"{shop.points.address}\" data-lines=\"7:40:0\"></p>'")  # fmt: skip
    shown.get_by_text("You will earn 40 points.", exact=True).wait_for()


def test_a_page_shows_nothing_when_nobody_answers(page, shop):
    shop.pages.demo.points = Points("http://127.0.0.1:9/s/masala/points.json", SECRET)
    with page.expect_event("requestfailed"):
        page.goto(f"{shop.url}/checkout/?product={max(shop.shop.rows['products'])}")

    assert page.get_by_role("heading", name="Checkout").is_visible()
    assert not page.locator("[data-postpurchase]").is_visible()


# What WooCommerce's blocks keep of a cart: amounts in minor units, as text; nothing before the shop was asked.
CART_OF_BLOCKS = """
    const item = (id, line_total) => ({id, totals: {line_total, line_total_tax: "0", currency_minor_unit: 2}});
    const sums = {total_shipping: null, total_shipping_tax: null, currency_minor_unit: 2};
    const listeners = [];
    let cart = {items: [], fees: [], totals: sums}, asked = false;
    window.wp = {data: {
        select: name => name === "wc/store/cart"
            ? {getCartData: () => cart, hasFinishedResolution: () => asked}
            : undefined,
        subscribe: listener => listeners.push(listener),
    }};
    window.tell = (totals, fees = []) => {
        cart = {items: totals.map((total, place) => item(7 + place, total)), fees, totals: sums};
        listeners.forEach(listener => listener());
    };
    window.answer = () => { asked = true; };
"""


def test_a_cart_made_of_blocks_says_what_is_earned_as_it_changes(page, shop):
    page.add_init_script(CART_OF_BLOCKS)
    page.goto(f"{shop.url}/checkout/?product={simple_product(shop)['id']}")
    page.evaluate(f"""
        document.querySelector('[data-postpurchase]').remove();
        const element = document.createElement('p');
        Object.assign(element.dataset, {{cart: '', lines: '7:40.0000:0', postpurchase: '{shop.points.address}'}});
        document.body.append(element);
    """)
    shown = page.locator("[data-postpurchase]")
    shown.get_by_text("You will earn 40 points.", exact=True).wait_for()

    page.evaluate("tell([])")  # the blocks draw themselves before they know the cart
    assert shown.is_visible()
    page.evaluate("answer(); tell(['4000', '2599'])")
    shown.get_by_text("You will earn 65 points.", exact=True).wait_for()
    discount = "{totals: {total: '-1000', total_tax: '0', currency_minor_unit: 2}}"
    page.evaluate(f"tell(['4000', '2599'], [{discount}])")
    shown.get_by_text("You will earn 55 points.", exact=True).wait_for()
    page.evaluate("tell([])")
    shown.wait_for(state="hidden")
