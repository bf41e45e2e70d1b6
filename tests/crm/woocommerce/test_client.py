import base64
import hashlib
import hmac
import socket
from urllib.parse import quote

import pytest
import requests
import responses
from django.conf import settings

from crm.stores.models import Store
from crm.woocommerce import client as client_module
from crm.woocommerce import tasks
from crm.woocommerce.client import Client
from crm.woocommerce.errors import WooCommerceError
from crm.woocommerce.network import is_public

from .recordings import names, recording
from .server import Reply, serving

KEY, SECRET = "ck_" + "k" * 40, "cs_" + "s" * 40


def make_client(url, insecure=True, signing="basic", patience=600):
    store = Store(url=url, consumer_key=KEY, consumer_secret=SECRET, insecure=insecure, signing=signing)
    waits = []
    client = Client(store, patience=patience, sleep=waits.append)
    client.waits = waits
    return client


def ask(answer, endpoint="orders", method="get", data=None, **params):
    """What the client makes of the server's answers; returns (result, requests, waits)."""
    with serving(answer) as server, make_client(server.url) as client:
        args = [endpoint] if data is None else [endpoint, data]
        result = getattr(client, method)(*args, **params)
        return result, server.requests, client.waits


def fail(answer, *args, **kwargs):
    """The error that the client makes of the server's answers."""
    with pytest.raises(WooCommerceError) as caught:
        ask(answer, *args, **kwargs)
    error = caught.value
    assert KEY not in str(error) and SECRET not in str(error) and "oauth" not in str(error).lower()
    assert error.__cause__ is None  # the cause's text would hold the signed address
    return error


def test_http_is_signed_by_oauth_and_the_secret_stays_home():
    _, (request,), _ = ask([Reply()], status="processing,on-hold", modified_after="2026-01-02T03:04:05")

    params = dict(request["params"])
    signature = params.pop("oauth_signature")
    base = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(params.items()))
    host = request["headers"]["Host"]
    text = f"GET&{quote(f'http://{host}/wp-json/wc/v3/orders', safe='')}&{quote(base, safe='')}"
    expected = hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha256).digest()
    assert signature == base64.b64encode(expected).decode()
    assert params["oauth_consumer_key"] == KEY
    assert "Authorization" not in request["headers"]
    assert SECRET not in str(request)
    assert request["headers"]["User-Agent"].startswith("Postpurchase/")


def test_each_attempt_is_signed_anew():
    _, sent, _ = ask([Reply("", 502), Reply("", 503), Reply()])

    assert len({request["params"]["oauth_nonce"] for request in sent}) == 3


@responses.activate
def test_https_uses_basic_authentication():
    responses.get("https://shop.example/wp-json/wc/v3/orders", json=[])

    make_client("https://shop.example", insecure=False).get("orders", page=2)

    sent = responses.calls[0].request
    assert sent.headers["Authorization"] == requests.auth._basic_auth_str(KEY, SECRET)
    assert KEY not in sent.url


def test_one_connection_serves_many_requests():
    with serving([Reply()]) as server, make_client(server.url) as client:
        for _ in range(5):
            client.get("orders")

        assert len({request["connection"] for request in server.requests}) == 1
        assert all("gzip" in request["headers"]["Accept-Encoding"] for request in server.requests)


def test_pages_follow_the_shops_count_and_not_the_length_of_a_page():
    pages = {"1": [{"id": 1}], "2": [], "3": [{"id": 3}, {"id": 4}]}

    with (
        serving(lambda r: Reply(pages[r["params"]["page"]], X_WP_Total=300, X_WP_TotalPages=3)) as server,
        make_client(server.url) as client,
    ):
        rows = [row["id"] for page in client.pages("orders") for row in page.rows]

        assert rows == [1, 3, 4]
        assert server.requests[0]["params"]["per_page"] == "100"
        assert (server.requests[0]["params"]["orderby"], server.requests[0]["params"]["order"]) == ("id", "asc")


@pytest.mark.parametrize("headers", [{}, {"Link": '<http://x/>; rel="https://api.w.org/"'}])
def test_without_counts_an_empty_page_is_the_end(headers):
    def answer(request):
        return Reply([{"id": 1}] if int(request["params"]["page"]) < 4 else [], **headers)

    with serving(answer) as server, make_client(server.url) as client:
        assert len(list(client.pages("orders"))) == 4


def test_past_the_end_is_the_end():
    with (
        serving([Reply([], X_WP_Total=0, X_WP_TotalPages=0)]) as server,
        make_client(server.url) as client,
    ):
        assert [page.rows for page in client.pages("orders")] == [[]]


def test_an_object_where_a_list_belongs_is_an_error():
    with (
        serving([Reply({"code": "x", "message": "y"})]) as server,
        make_client(server.url) as client,
        pytest.raises(WooCommerceError, match="a list was expected"),
    ):
        list(client.pages("orders"))


@pytest.mark.parametrize(
    "answer",
    [
        Reply("<html><title>Bad gateway</title>", 502, Content_Type="text/html"),
        Reply("", 429, Retry_After="7"),
        Reply('[{"id": 1}, {"id"'),
        Reply('[{"id": 1}]', length=999),
        Reply("<!DOCTYPE html><title>Be right back</title>", Content_Type="text/html"),
        Reply(
            {"code": "internal_server_error", "message": "There has been a critical error.", "data": {"status": 500}}
        ),
        None,
    ],
)
def test_reading_is_tried_again(answer):
    result, sent, waits = ask([answer, answer, Reply([{"id": 5}])])

    assert result == [{"id": 5}]
    assert len(sent) == 3
    assert len(waits) == 2 and all(0 < wait <= 60 for wait in waits)


REFUSALS = [
    Reply({"code": "woocommerce_rest_cannot_view", "message": "Sorry, you cannot list resources."}, 401),
    Reply("", 301, Location="http://elsewhere.example/wp-json/wc/v3/orders"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_amid_good_answers_is_doubted_twice(refusal):
    good = Reply([{"id": 5}])
    with serving([good, refusal, refusal, good, refusal]) as server, make_client(server.url) as client:
        assert client.get("orders") == client.get("orders") == [{"id": 5}]

        with pytest.raises(WooCommerceError) as error:
            client.get("orders")

        assert error.value.permanent and len(server.requests) == 1 + 3 + 3
        # Revoked keys are told within seconds.
        assert sum(client.waits) < 5
        with pytest.raises(WooCommerceError):
            client.put("orders/5", {})
        assert len(server.requests) == 8


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_before_any_good_answer_is_believed_at_once(refusal):
    with serving([Reply({"name": "Shop"}), refusal]) as server, make_client(server.url) as client:
        client.index()
        with pytest.raises(WooCommerceError):
            client.get("orders")

        assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [Reply("", 502), Reply("", 429), None])
def test_writing_is_never_tried_again(answer):
    with serving([answer, Reply({})]) as server, make_client(server.url) as client:
        with pytest.raises(WooCommerceError) as error:
            client.post("orders", {"status": "pending"})

        assert not error.value.permanent
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("asked", "least", "most"), [("7", 7, 7), ("86400", 60, 60), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 1)]
)
def test_retry_after_is_honoured_within_reason(asked, least, most):
    _, _, (wait,) = ask([Reply("", 503, Retry_After=asked), Reply()])

    assert least <= wait <= most


def test_it_gives_up_after_some_attempts():
    error = fail(lambda request: Reply("<title>Error establishing a database connection</title>", 500))

    assert not error.permanent
    assert error.status == 500
    assert "Error establishing a database connection" in str(error)


RECORDED = {
    "err-401-no-auth": "the shop does not accept the keys",
    "err-401-wrong-key": "the shop does not accept the keys",
    "err-401-wrong-secret": "not this consumer secret",
    "err-401-basic-over-http": "the shop does not accept the keys",
    "err-401-readonly-post": "give the key Read/Write",
    "err-401-write-only-key": "give the key Read/Write",
    "err-403-lowcap": "Make the key for an administrator or a shop manager",
    "err-404-route": "there is no WooCommerce REST API at this address",
    "err-404-order": "Invalid ID. (404 woocommerce_rest_shop_order_invalid_id)",
    "err-400-bad-json": "Invalid JSON body passed. (400 rest_invalid_json)",
    "orders-list-pp101-400": "Invalid parameter(s): per_page (400 rest_invalid_param)",
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_errors_are_explained(name):
    recorded = recording(name)

    error = fail([Reply(recorded["body"], recorded["status"])])

    assert RECORDED[name] in str(error)
    assert error.permanent
    assert error.status == recorded["status"]


@pytest.mark.parametrize("name", [name for name in names() if recording(name)["status"] >= 400])
def test_every_recorded_error_has_words(name):
    recorded = recording(name)

    error = fail(lambda request: Reply(recorded["body"], recorded["status"]), method="post", data={})

    assert len(str(error)) > 30


PHP = "<br />\n<b>Warning</b>: Undefined array key in <b>/var/www/plugin.php</b> on line <b>3</b><br />\n"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply("<!doctype html><html><title>Log in</title></html>"), "a web page came instead of JSON (“Log in”)"),
        (Reply(PHP + '[{"id": 1}]'), "something is written before the JSON (“Warning : Undefined array key"),
        (Reply('[{"id": 1}]' + PHP), "something is written after the JSON"),
        (Reply('[{"id": 1}, {"id":'), "breaks off after 18 bytes"),
        (Reply(""), "the answer is empty"),
        (Reply(b"\xff\xfe\x00garbage"), "a web page came instead of JSON"),
        (Reply("[" * 200_000), "breaks off"),
        (Reply("<html>Forbidden</html>", 403), "a firewall or a security plug-in"),
        (Reply("<html>Not found</html>", 404), "there is no WooCommerce REST API at this address"),
        (
            Reply("", 301, Location="https://www.shop.example/wp-json/wc/v3/orders?oauth_consumer_key=" + KEY),
            "sends us on to https://www.shop.example/wp-json/wc/v3/orders (301). Give the address it really answers at: https://www.shop.example",
        ),
        (Reply("", 302, Location="/wp-login.php"), "sends us on to /wp-login.php"),
    ],
)
def test_broken_answers_are_explained(reply, words):
    assert words in str(fail(lambda request: reply))


def test_json_beyond_the_standard_is_read():
    text = b'\xef\xbb\xbf[{"id": 1, "total": NaN, "number": ' + b"9" * 40 + b', "name": "\\ud800\\u0000"}]'

    (row,), _, _ = ask([Reply(text)])

    assert row["number"] == int("9" * 40)
    assert row["name"] == "\ud800\x00"


def test_no_attempt_begins_when_the_patience_is_over():
    with serving([Reply("", 503, Retry_After="30")]) as server:
        for patience, attempts in ((600, 5), (20, 1)):
            server.requests.clear()
            with make_client(server.url, patience=patience) as client, pytest.raises(WooCommerceError):
                client.get("orders")

            assert len(server.requests) == attempts


def test_a_task_that_asks_a_shop_which_hangs_ends_before_the_queue_kills_it():
    longest = max(client_module.TIMEOUT, client_module.LONGEST_ANSWER)

    assert tasks.SLICE + client_module.PATIENCE + longest < settings.Q_CLUSTER["timeout"]


def test_an_answer_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(client_module, "BIGGEST_ANSWER", 1024 * 1024)

    error = fail(lambda request: Reply("[" + " " * 2_000_000 + "]"))

    assert "bigger than 1 MiB" in str(error)


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = make_client(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(WooCommerceError, match="refuses the connection") as error:
            client.get("orders")

    assert len(client.waits) == 4
    assert not error.value.permanent


def test_unknown_name():
    with pytest.raises(WooCommerceError, match="no server is called shop.invalid"):
        make_client("http://shop.invalid").get("orders")


def test_a_server_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        client = make_client(f"http://127.0.0.1:{deaf.getsockname()[1]}")

        with pytest.raises(WooCommerceError, match="did not answer in time"):
            client.post("orders", {})


def test_plain_http_needs_permission():
    with pytest.raises(WooCommerceError, match="is not encrypted"):
        make_client("http://shop.example", insecure=False)


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "https://", "https://user:pw@shop.example"])
def test_odd_addresses_are_refused(url):
    with pytest.raises(WooCommerceError, match="no web address"):
        make_client(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0", "[::1]", "[::ffff:10.0.0.1]"])
def test_private_addresses_need_permission_and_no_connection_is_made(host):
    with serving([Reply()]) as server:
        client = make_client(f"https://{host}:{server.server_port}", insecure=False)

        with pytest.raises(WooCommerceError, match="inside a private network"):
            client.get("orders")

        assert server.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::ffff:192.168.1.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("fe80::1%eth0", False),
        ("::", False),
    ],
)
def test_public_addresses(address, public):
    assert is_public(address) is public


def test_secrets_show_nowhere():
    client = make_client("https://shop.example", insecure=False)

    assert SECRET not in repr(client) and KEY not in repr(client)
