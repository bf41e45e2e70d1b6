"""Serving: keep-alive, faults, what is kept between runs, the fast mode, and the person's pages."""

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import requests

from postpurchase.demo import server
from postpurchase.demo.fast import FIRST_ORDER, FastOrders
from postpurchase.demo.journal import open_shop
from postpurchase.demo.web import Response


def test_a_connection_serves_many_requests(demo):
    with requests.Session() as session:
        for _ in range(3):
            answer = session.get(f"{demo.url}/wp-json/", timeout=5)
            assert answer.raw.version == 11
            assert "Connection" not in answer.headers


def test_faults_answer_in_the_place_of_the_shop(demo, rest):
    def busy(request, response):
        return Response(429, b"slow down", [("Retry-After", "1")]) if request.path.endswith("/orders") else None

    def truncated(request, response):
        half = response.body[: len(response.body) // 2]
        return Response(200, half, [("Content-Length", str(len(response.body)))], close=True)

    demo.faults.append(busy)
    assert rest.send("GET", "orders").status_code == 429
    assert rest.send("GET", "products").status_code == 200

    demo.faults[:] = [truncated]
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        rest.send("GET", "orders")


def test_requests_are_logged(demo, rest):
    rest.get("orders", per_page=1)

    assert demo.shop.requests[-1] | {"ms": 0} == {"method": "GET", "path": "/wp-json/wc/v3/orders", "query": "per_page=1", "status": 200, "ms": 0}  # fmt: skip


def test_the_shop_survives_a_restart(tmp_path):
    with open_shop(tmp_path, 7, customers=8, orders=10) as shop:
        order = shop.place_order(email="asha@mail.example")
        trashed = shop.place_order()
        shop.delete(trashed["id"])
        hook = shop.add_webhook("order.updated", "http://127.0.0.1:9/", "s")
        count = len(shop.rows["orders"])

    with open_shop(tmp_path, 7) as again:
        assert again.rows["orders"][order["id"]] == order
        assert len(again.rows["orders"]) == count
        assert again.rows["webhooks"][hook["id"]]["secret"] == "s"
        assert again.place_order()["id"] > trashed["id"]


def test_customers_of_a_shop_that_an_earlier_version_made_have_paid_if_their_orders_say_so(tmp_path):
    with open_shop(tmp_path, 7, customers=8, orders=10) as shop:
        paying = {row["id"]: row.pop("is_paying_customer") for row in shop.rows["customers"].values()}
        for row in shop.rows["customers"].values():
            shop.keep("customers", row)

    with open_shop(tmp_path, 7) as again:
        assert {row["id"]: row["is_paying_customer"] for row in again.rows["customers"].values()} == paying


def test_the_program_serves_and_keeps_its_orders(tmp_path):
    command = [
        sys.executable,
        "-m",
        "postpurchase.demo",
        "--port",
        "0",
        "--orders",
        "10",
        "--customers",
        "5",
        "--state",
        str(tmp_path),
    ]
    numbers = []
    for _ in range(2):
        process = subprocess.Popen(
            [*command, "--behind-tls", "--key", "ck_x", "--secret", "cs_x"], stdout=subprocess.PIPE, text=True
        )
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            created = requests.post(f"{url}/wp-json/wc/v3/orders", json={}, auth=("ck_x", "cs_x"), timeout=5)
            numbers.append(created.json()["id"])
        finally:
            process.terminate()
            process.communicate(timeout=10)
        assert process.returncode == 0

    assert numbers[1] == numbers[0] + 1


@pytest.fixture
def fast(demo):
    demo.orders_from = FastOrders(500_000, demo)
    return demo


def test_fast_orders_are_paged_and_windowed(fast, rest):
    first = rest.send("GET", "orders", per_page=100, orderby="id", order="asc")
    last = rest.send("GET", "orders", per_page=100, page=5000, orderby="id", order="asc")
    middle = last.json()[40]

    assert first.headers["X-WP-Total"] == "500000"
    assert [o["id"] for o in first.json()] == list(range(FIRST_ORDER, FIRST_ORDER + 100))
    assert 'rel="next"' in first.headers["Link"] and 'rel="next"' not in last.headers["Link"]
    after = rest.get(
        "orders",
        modified_after=middle["date_modified_gmt"],
        dates_are_gmt="true",
        orderby="id",
        order="asc",
        per_page=1,
    )
    local = rest.get("orders", modified_after=middle["date_modified"], orderby="id", order="asc", per_page=1)
    assert after[0]["id"] == local[0]["id"] == middle["id"] + 1
    before = rest.get("orders", modified_before=middle["date_modified_gmt"], dates_are_gmt="true", per_page=1)
    assert before[0]["id"] == middle["id"] - 1
    assert rest.get(f"orders/{middle['id']}") == middle
    assert rest.get("orders", include=f"{middle['id']},1", _fields="id") == [{"id": middle["id"]}]
    assert rest.get("orders", page=9999999) == []


def test_fast_orders_look_like_orders_of_the_shop(fast, rest, shop):
    fast.orders_from, generated = None, fast.orders_from
    mine = next(o for o in rest.get("orders", per_page=100, status="completed,processing") if o["customer_id"])
    fast.orders_from = generated
    orders = rest.get("orders", per_page=100)

    assert {frozenset(order) for order in orders} == {frozenset(mine)}
    lines = [line["id"] for order in orders for line in order["line_items"]]
    assert len(lines) == len(set(lines))
    assert {tax["id"] for order in orders for line in order["line_items"] for tax in line["taxes"]} <= set(range(8))
    guest = {order["customer_id"] == 0: order for order in orders}
    assert set(guest) == {True, False}
    customer = rest.get(f"customers/{guest[False]['customer_id']}")
    assert customer["email"] == guest[False]["billing"]["email"]
    assert rest.send("GET", "customers", per_page=1).headers["X-WP-Total"] == "100000"


def test_fast_orders_need_no_more_memory_when_there_are_more(fast, rest):
    rest.get("orders", per_page=100)
    tracemalloc.start()
    for page in (1, 2500, 5000):
        rest.get("orders", per_page=100, page=page, orderby="id", order="asc")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 * 1024 * 1024


def press(demo, path: str, **fields):
    return requests.post(demo.url + path, data=fields, headers={"Origin": demo.url}, timeout=5)


def test_a_person_buys_pays_ships_delivers_and_refunds(demo, shop):
    front = requests.get(demo.url, timeout=5).text
    picture = re.search(r'src="(/wp-content/uploads/[^"]+)"', front)[1]
    assert requests.get(demo.url + picture, timeout=5).headers["Content-Type"] == "image/svg+xml"

    product = re.search(r"/checkout/\?product=(\d+)", front)[1]
    page = press(
        demo,
        "/control/place/",
        product=f"{product}-0",
        quantity="2",
        email="new@mail.example",
        name="Nia Ray",
        country="DE",
        payment="stripe",
    )
    order = max(shop.rows["orders"].values(), key=lambda row: row["id"])
    assert f"Order {order['id']} is placed" in page.text
    assert (order["status"], order["billing"]["last_name"], order["billing"]["country"]) == ("pending", "Ray", "DE")

    press(demo, f"/control/{order['id']}/pay/")
    assert order["status"] == "processing"
    press(demo, f"/control/{order['id']}/ship/", carrier=["dhl", "ups"], number=["A1", "B2"])
    assert [i["tracking_number"] for m in order["meta_data"] if m["key"].endswith("items") for i in m["value"]] == [
        "A1",
        "B2",
    ]
    press(demo, f"/control/{order['id']}/deliver/")
    assert order["status"] == "completed"
    press(demo, f"/control/{order['id']}/refund/", line=str(order["line_items"][0]["id"]), reason="broken")
    assert order["refunds"][0]["reason"] == "broken"
    assert "Invalid refund amount." in press(demo, f"/control/{order['id']}/refund/", amount="999999").text
    press(demo, f"/control/{order['id']}/refund/")
    assert order["status"] == "refunded"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Referer": "http://evil.example/x"}])
def test_a_form_from_elsewhere_is_refused(demo, shop, headers):
    order = shop.place_order()

    answer = requests.post(f"{demo.url}/control/{order['id']}/pay/", headers=headers, timeout=5)

    assert (answer.status_code, order["status"]) == (403, "pending")


def test_names_are_escaped_on_the_pages(demo, shop):
    shop.place_order(email="rob@mail.example", name="<script>alert(1)</script> O'Neil", guest=True)

    page = requests.get(f"{demo.url}/control/", timeout=5).text

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_pages_link_to_what_looks_after_the_shop(shop):
    with server.running(shop, links={"Portal": "http://127.0.0.1:8000/s/masala/"}) as demo:
        assert 'href="http://127.0.0.1:8000/s/masala/"' in requests.get(demo.url, timeout=5).text


def test_product_addresses_of_the_api_lead_to_a_page(demo, rest):
    for product in rest.get("products", per_page=3, type="simple", status="publish"):
        assert requests.get(product["permalink"].replace("https", "http"), timeout=5).status_code == 200


def test_an_oversized_body_is_refused(demo):
    headers = {"Content-Length": str(Path(__file__).stat().st_size + 9 * 1024 * 1024)}
    request = requests.Request("POST", f"{demo.url}/wp-json/wc/v3/orders", headers=headers).prepare()
    request.headers["Content-Length"] = headers["Content-Length"]
    with requests.Session() as session:
        assert session.send(request, timeout=5).status_code == 413
