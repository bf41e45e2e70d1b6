"""The faulty shop: one seed, one script; what breaks, and that a refusal was not done while a lost answer was."""

import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests

from postpurchase.demo import faults, server
from postpurchase.demo.faults import REFUSALS, SPOILERS, Trouble
from postpurchase.demo.happenings import THINGS, happen
from postpurchase.demo.webhooks import sign

from .conftest import Rest


@pytest.fixture
def troubled(clock):
    """Open a shop in trouble; answers it with its client."""
    opened = []

    def open_shop(seed=1, **script):
        shop = server.small_shop(now=clock)
        context = server.running(shop, behind_tls=True, trouble=Trouble(seed, **script))
        demo = context.__enter__()
        opened.append((context, client := Rest(demo)))
        return demo, client

    yield open_shop
    for context, client in opened:
        client.session.close()
        context.__exit__(None, None, None)


def answers_of(client, count=40):
    """What a reader sees of so many requests: a status and a size, or an error."""
    seen = []
    for _ in range(count):
        try:
            answer = client.send("GET", "orders", per_page=3, orderby="id", order="asc")
            seen.append((answer.status_code, answer.headers.get("X-WP-TotalPages"), len(answer.content)))
        except requests.RequestException as error:
            seen.append(type(error).__name__)
    return seen


def test_one_seed_makes_one_script(troubled):
    first, again, other = (answers_of(troubled(seed, share=0.5)[1]) for seed in (5, 5, 6))

    assert first == again
    assert first != other


def test_the_share_decides_how_much_breaks(troubled):
    demo, client = troubled(share=0.2, kinds=["500"])

    statuses = Counter(client.send("GET", "orders").status_code for _ in range(300))

    assert 0.12 < statuses[500] / 300 < 0.28
    assert demo.trouble.counts["500"] == statuses[500]


def test_in_turn_each_way_comes_before_one_comes_again(troubled):
    demo, client = troubled(share=1.0, kinds=["total too low", "500", "BOM", "401"], in_turn=True)

    client.send("GET", f"orders/{min(demo.shop.rows['orders'])}")  # has no pages to count wrongly: that waits
    for _ in range(4):
        client.send("GET", "orders", per_page=3)

    assert demo.trouble.counts == {"500": 1, "BOM": 1, "401": 1, "total too low": 1}


def test_while_it_is_quiet_all_goes_well(troubled):
    demo, client = troubled(share=1.0)
    demo.trouble.is_quiet = True

    assert {status for status, *_ in answers_of(client)} == {200}


def test_what_is_refused_was_not_done(troubled):
    for kind in REFUSALS:
        demo, client = troubled(share=1.0, kinds=[kind])
        before = len(demo.shop.rows["orders"])

        answer = client.session.post(f"{demo.url}/wp-json/wc/v3/orders", json={}, allow_redirects=False, timeout=5)

        assert answer.status_code >= 300, kind
        assert len(demo.shop.rows["orders"]) == before, kind


def test_what_is_lost_on_its_way_back_was_done(troubled):
    demo, client = troubled(share=1.0, kinds=["no answer after the work"])
    before = len(demo.shop.rows["orders"])

    with pytest.raises(requests.ConnectionError):
        client.post("orders", {})

    assert len(demo.shop.rows["orders"]) == before + 1


def test_an_answer_that_never_comes_is_waited_for_until_the_reader_gives_up(troubled):
    demo, client = troubled(share=1.0, kinds=["no answer after the work"], hang=60)
    began = time.monotonic()

    with pytest.raises(requests.ReadTimeout):
        client.session.get(f"{demo.url}/wp-json/wc/v3/orders", timeout=0.3)

    assert time.monotonic() - began < 5


def body(response):
    return json.loads(response.content)


def look_at(kind, answer):
    """Whether an answer is broken in the way its name says."""
    content_type = answer.headers["Content-Type"]
    return {
        "429, seconds": lambda: answer.headers["Retry-After"].isdigit(),
        "429, date": lambda: (
            parsedate_to_datetime(answer.headers["Retry-After"]) > parsedate_to_datetime(answer.headers["Date"])
        ),
        "502, HTML": lambda: answer.status_code == 502 and content_type.startswith("text/html"),
        "503, maintenance": lambda: answer.status_code == 503,
        "401": lambda: body(answer)["code"] == "woocommerce_rest_cannot_view",
        "redirect elsewhere": lambda: answer.headers["Location"].startswith("http://elsewhere.example/wp-json/"),
        "500": lambda: body(answer)["data"]["status"] == 500,
        "slow bytes": lambda: answer.elapsed < timedelta(seconds=0.1) and len(body(answer)) == 3,
        "truncated JSON": lambda: len(answer.content) == int(answer.headers["Content-Length"]) and not is_json(answer),
        "PHP warning": lambda: answer.content.startswith(b"<br />") and answer.content.endswith(b"]"),
        "BOM": lambda: answer.content.startswith(b"\xef\xbb\xbf["),
        "200 with an error": lambda: answer.status_code == 200 and "code" in body(answer),
        "empty body": lambda: answer.status_code == 200 and answer.content == b"",
        "wrong charset": lambda: "8859" in content_type and len(body(answer)) == 3,
        "no totals": lambda: "X-WP-TotalPages" not in answer.headers and len(body(answer)) == 3,
        "totals of 0": lambda: answer.headers["X-WP-Total"] == "0" and len(body(answer)) == 3,
        "total too low": lambda: int(answer.headers["X-WP-TotalPages"]) * 3 < int(answer.headers["X-WP-Total"]),
        "total too high": lambda: int(answer.headers["X-WP-TotalPages"]) * 3 - int(answer.headers["X-WP-Total"]) > 2,
        "short page": lambda: len(body(answer)) < 3,
        "gzip bomb": lambda: (
            answer.headers["Content-Encoding"] == "gzip"
            and len(gzip.decompress(answer.raw.read(decode_content=False))) == faults.BOMB
        ),
    }[kind]()


def is_json(answer):
    try:
        answer.json()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", sorted({*REFUSALS, *SPOILERS} - {"no answer after the work", "reset in the body"}))
def test_each_kind_breaks_as_its_name_says(troubled, monkeypatch, kind):
    monkeypatch.setattr(faults, "BOMB", 1 << 22)
    faults.bomb.cache_clear()
    demo, client = troubled(share=1.0, kinds=[kind], elsewhere="http://elsewhere.example/", slow=0.2)

    with client.session.get(
        f"{demo.url}/wp-json/wc/v3/orders",
        params={"per_page": 3},
        stream=True,
        allow_redirects=False,
        timeout=5,
    ) as answer:
        assert look_at(kind, answer)
    faults.bomb.cache_clear()


def test_a_connection_is_reset_in_the_middle_of_the_body(troubled):
    _demo, client = troubled(share=1.0, kinds=["reset in the body"])

    assert {seen for seen in answers_of(client, 5) if isinstance(seen, str)} <= {
        "ConnectionError",
        "ChunkedEncodingError",
    }


def test_a_short_page_says_what_it_left_out(troubled):
    demo, client = troubled(share=1.0, kinds=["short page"])

    listed = {row["id"] for row in client.get("products", per_page=20, orderby="id", order="asc")}

    left_out = {number for _path, number in demo.trouble.withheld}
    assert left_out and not left_out & listed


def test_things_happen_between_two_pages(troubled):
    demo, client = troubled(share=0.0, busy=1.0)
    answers_of(client, 20)

    assert demo.trouble.counts["happened while paging"] == 20


def test_everything_happens_sooner_or_later_and_leaves_a_shop_that_answers(troubled):
    demo, client = troubled(share=0.0)
    dice = demo.trouble.dice("life")

    happened = Counter(happen(demo.shop, dice) for _ in range(1500))

    assert set(happened) == set(THINGS)
    assert client.send("GET", "orders", per_page=100).status_code == 200


def test_webhooks_are_lost_doubled_late_and_forged(clock, listener):
    shop = server.small_shop(now=clock)
    trouble = Trouble(1, share=0.0)
    with server.running(shop, trouble=trouble) as demo:
        hook = shop.add_webhook("order.updated", listener.url, "secret")
        orders = [shop.place_order()["id"] for _ in range(60)]
        assert demo.settle(30)

    heard = [h for h in listener.heard if "X-WC-Webhook-Topic" in h["headers"]]
    forgeries = [h for h in heard if h["headers"]["X-WC-Webhook-Signature"] != sign(h["body"], hook["secret"])]
    numbers = [json.loads(h["body"])["id"] for h in heard if h not in forgeries]
    assert len(forgeries) == trouble.counts["webhooks forged"] > 0
    assert len(set(orders) - set(numbers)) == trouble.counts["webhooks lost"] > 0
    assert sum(count == 2 for count in Counter(numbers).values()) == trouble.counts["webhooks doubled"] > 0
    assert numbers != sorted(numbers)
    assert shop.rows["webhooks"][hook["id"]]["failures"] == 0


def test_the_program_takes_a_seed(tmp_path):
    command = [sys.executable, "-m", "postpurchase.demo", "--port", "0", "--orders", "5", "--faults", "4"]
    process = subprocess.Popen([*command, "--behind-tls"], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().split()[2]
        statuses = set()
        for _ in range(60):
            try:
                statuses.add(
                    requests.get(f"{url}/wp-json/wc/v3/orders", auth=("ck_demo", "cs_demo"), timeout=0.5).status_code
                )
            except requests.RequestException as error:
                statuses.add(type(error).__name__)
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert 200 in statuses and len(statuses) > 2
