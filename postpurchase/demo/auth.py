"""Who asks: OAuth 1.0a over http, basic authentication or key and secret in the query over https."""

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from urllib.parse import quote, unquote

from .shop import Refused, Shop
from .web import Request

WINDOW = 15 * 60  # seconds that a signed request stays good, and that its nonce is remembered
METHODS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}


class Keyring:
    """Checks requests against the shop's keys and remembers nonces."""

    def __init__(self, shop: Shop):
        self.shop = shop
        self.nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def owner(self, request: Request) -> dict | None:
        """The key's row, or None for a stranger; raises Refused for a wrong signature, secret or permission."""
        key = self._basic(request) if request.secure else self._oauth(request)
        if key is None:
            return None
        wanted = "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"
        if wanted not in key["permissions"]:
            raise denied(f"The API key provided does not have {wanted} permissions.")
        return key

    def _basic(self, request: Request) -> dict | None:
        query = dict(request.pairs)
        name, secret = query.get("consumer_key", ""), query.get("consumer_secret", "")
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(coded).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        if not name or (key := self.shop.keys.get(name)) is None:
            return None
        if not hmac.compare_digest(key["secret"].encode(), secret.encode()):
            raise denied("Consumer secret is invalid.")
        return key

    def _oauth(self, request: Request) -> dict | None:
        params = dict(request.pairs)
        header = request.headers.get("authorization", "")
        if header.lower().startswith("oauth "):
            for part in header[6:].split(","):
                name, _, value = part.strip().partition("=")
                params[name] = unquote(value.strip('"'))
            params.pop("realm", None)
        names = ("consumer_key", "timestamp", "nonce", "signature", "signature_method")
        missing = [f"oauth_{name}" for name in names if not params.get(f"oauth_{name}")]
        if len(missing) == len(names):
            return None
        if missing:
            raise denied(f"Missing OAuth parameters {', '.join(missing)}")
        key = self.shop.keys.get(params["oauth_consumer_key"])
        if key is None:
            raise denied("Consumer key is invalid.")
        given = params.pop("oauth_signature").replace(" ", "+")
        if not hmac.compare_digest(
            signature(request.method, request.site + request.path, params, key["secret"]), unquote(given)
        ):
            raise denied("Invalid signature - provided signature does not match.")
        self._fresh(params)
        return key

    def _fresh(self, params: dict[str, str]) -> None:
        # By the shop's own clock, however wrong it is, as WooCommerce does.
        now = self.shop.now().timestamp()
        if not params["oauth_timestamp"].isdigit() or abs(now - int(params["oauth_timestamp"])) > WINDOW:
            raise denied("Invalid timestamp.")
        nonce = (params["oauth_consumer_key"], params["oauth_nonce"])
        with self.shop.lock:
            if nonce in self.nonces:
                raise denied("Invalid nonce - nonce has already been used.")
            self.nonces[nonce] = now
            while next(iter(self.nonces.values())) < now - WINDOW:
                self.nonces.popitem(last=False)


def denied(message: str) -> Refused:
    return Refused("woocommerce_rest_authentication_error", message, 401)


def signature(method: str, url: str, params: dict[str, str], secret: str) -> str:
    """The OAuth 1.0a signature WooCommerce computes; raises Refused for a method that it does not know."""
    digest = METHODS.get(params["oauth_signature_method"])
    if digest is None:
        raise denied("Invalid signature - signature method is invalid.")
    pairs = sorted((once(key), once(value)) for key, value in params.items())
    query = "%26".join(f"{key}%3D{value}" for key, value in pairs)
    text = f"{method.upper()}&{quote(url, safe='')}&{query}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), digest).digest()).decode()


def once(text: str) -> str:
    return quote(unquote(text), safe="").replace("%", "%25")
