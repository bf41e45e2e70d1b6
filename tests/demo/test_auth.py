"""Both ways of signing requests, over real sockets."""

import datetime
import ipaddress
import ssl
import time
import warnings

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from woocommerce import API

from postpurchase.demo import server
from postpurchase.demo.auth import signature
from postpurchase.demo.state import utc_now


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A context with a self-signed certificate for 127.0.0.1, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, str(folder / "cert.pem")


@pytest.fixture
def plain(shop):
    shop.now = utc_now
    with server.running(shop) as demo:
        yield demo


def signed(demo, method="HMAC-SHA256", **changed):
    params = {
        "oauth_consumer_key": demo.key,
        "oauth_timestamp": str(int(time.time())),
        "oauth_nonce": "n1",
        "oauth_signature_method": method,
        "status": "completed",
    } | changed
    url = f"{demo.url}/wp-json/wc/v3/orders"
    return requests.get(
        url, params=params | {"oauth_signature": signature("GET", url, params, demo.secret)}, timeout=10
    )


def test_the_woocommerce_client_signs_in_over_http(plain):
    client = API(url=plain.url, consumer_key=plain.key, consumer_secret=plain.secret, version="wc/v3", timeout=10)

    read = client.get("orders", params={"status": "completed", "per_page": 2, "search": "a b"})
    written = client.post("orders", {"status": "pending"})

    assert (read.status_code, written.status_code) == (200, 201)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
def test_oauth_takes_both_hashes(plain, method):
    assert signed(plain, method).status_code == 200


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"oauth_timestamp": "1000000000"}, "Invalid timestamp."),
        ({"oauth_consumer_key": "ck_other"}, "Consumer key is invalid."),
        ({"oauth_signature_method": "PLAINTEXT"}, "Invalid signature - signature method is invalid."),
    ],
)
def test_oauth_refuses_what_is_wrong(plain, changed, told):
    if "oauth_signature_method" in changed:
        params = {"oauth_consumer_key": plain.key, "oauth_timestamp": "1", "oauth_nonce": "n", "oauth_signature": "x"}
        answer = requests.get(f"{plain.url}/wp-json/wc/v3/orders", params=params | changed, timeout=10)
    else:
        answer = signed(plain, **changed)

    assert answer.status_code == 401
    assert answer.json()["message"] == told


def test_oauth_refuses_a_wrong_secret(plain):
    plain.secret = "cs_wrong"

    assert signed(plain).json()["message"] == "Invalid signature - provided signature does not match."


def test_a_nonce_serves_once(plain):
    assert signed(plain).status_code == 200
    assert signed(plain).json()["message"] == "Invalid nonce - nonce has already been used."


def test_basic_authentication_works_over_https_only(shop, plain, tls):
    context, certificate = tls
    with server.running(shop, tls=context) as demo:
        assert demo.url.startswith("https://")
        secure = requests.get(
            f"{demo.url}/wp-json/wc/v3/orders", auth=(demo.key, demo.secret), verify=certificate, timeout=10
        )
        in_query = {"consumer_key": demo.key, "consumer_secret": demo.secret}
        by_query = requests.get(f"{demo.url}/wp-json/wc/v3/orders", params=in_query, verify=certificate, timeout=10)
    bare = requests.get(f"{plain.url}/wp-json/wc/v3/orders", auth=(plain.key, plain.secret), timeout=10)

    assert (secure.status_code, by_query.status_code, bare.status_code) == (200, 200, 401)
    assert secure.json()[0]["_links"]["self"][0]["href"].startswith(demo.url)


def test_a_client_without_tls_harms_nobody(shop, tls):
    context, certificate = tls
    with warnings.catch_warnings(), server.running(shop, tls=context) as demo:
        with pytest.raises(requests.ConnectionError):
            requests.get(demo.url.replace("https", "http"), timeout=5)

        answer = requests.get(f"{demo.url}/wp-json/", verify=certificate, timeout=10)

    assert answer.json()["timezone_string"] == "Asia/Kolkata"
