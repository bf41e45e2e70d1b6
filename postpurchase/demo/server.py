"""Serves a shop over HTTP/1.1 with keep-alive, a thread per connection: `python -m postpurchase.demo`, and tests."""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from .dispatch import RestApi
from .fast import FastOrders
from .faults import FaultyDeliveries, Trouble
from .page import Pages
from .points import Points
from .resources import PAYLOADS
from .rest import API, Call, refused_body
from .shop import Refused, Shop
from .web import Request, Response
from .webhooks import Deliveries
from .year import small_shop, year_shop

__all__ = ["Demo", "running", "serve", "small_shop", "year_shop"]

LONGEST_BODY = 8 * 1024 * 1024
# A fault looks at a request and the answer that is ready, and answers something else, or None to let it pass.
Fault = Callable[[Request, Response], Response | None]
# The same before the shop hears of the request: what it refuses was not done.
Refusal = Callable[[Request], Response | None]
PIECES = 20  # of an answer that drips


@dataclass
class Demo:
    """A shop with its doors open."""

    shop: Shop
    url: str = ""
    key: str = "ck_demo"
    secret: str = "cs_demo"
    faults: list[Fault] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    trouble: Trouble | None = None  # a seeded script of both and of what becomes of webhooks
    # As behind a proxy that ends TLS: requests that come over http count as https, so basic authentication works.
    behind_tls: bool = False
    links: dict[str, str] = field(default_factory=dict)  # shown on the control page: name to address
    points: Points | None = None  # the shop's pages show points
    webhook_delay: float = 0.0
    # How far the clock that dates the answers, a proxy's, is ahead of the shop's own.
    date_ahead: timedelta = timedelta()
    orders_from: FastOrders | None = None  # a `fast.FastOrders` answers the collection of orders instead of the shop

    def __post_init__(self) -> None:
        if self.key not in self.shop.keys:
            self.shop.add_key(self.key, self.secret)
        self.api, self.pages = RestApi(self.shop), Pages(self)
        self.deliveries: Deliveries | None = None
        if self.trouble:
            self.trouble.shop = self.shop
            self.refusals.append(self.trouble.refuse)
            self.faults.append(self.trouble.spoil)

    def open(self, url: str) -> None:
        """Start telling webhooks; called once the address is known."""
        self.url = self.shop.url = url
        self.deliveries = (
            FaultyDeliveries(self.trouble, self.shop, url, self.payload, self.webhook_delay)
            if self.trouble
            else Deliveries(self.shop, url, self.payload, self.webhook_delay)
        )
        self.deliveries.start()

    def close(self) -> None:
        if self.deliveries:
            self.deliveries.stop()

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until every webhook is delivered."""
        return self.deliveries is not None and self.deliveries.settle(timeout)

    def date(self) -> datetime:
        return self.shop.now() + self.date_ahead

    def payload(self, resource: str, row_id: int) -> dict:
        """A webhook's body: what the REST API would answer, even when that is an error by now."""
        call = Call(self.shop, Request("GET", API, headers={"host": self.url.partition("://")[2]}), {}, {})
        try:
            return PAYLOADS[resource](call, row_id)
        except Refused as refusal:
            return refused_body(refusal)

    def answer(self, request: Request) -> Response:
        if self.behind_tls:
            request = replace(request, secure=True)
        started = time.monotonic()
        refused = next(filter(None, (refusal(request) for refusal in list(self.refusals))), None)
        response = refused or self._route(request)
        if refused is None:
            response = next(filter(None, (fault(request, response) for fault in list(self.faults))), response)
        seen = {
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "status": response.status,
        }
        self.shop.requests.append(seen | {"ms": round((time.monotonic() - started) * 1000, 1)})
        return response

    def _route(self, request: Request) -> Response:
        if request.path.startswith("/wp-json"):
            if self.orders_from is not None and (response := self.orders_from.answer(request)):
                return response
            return self.api.answer(request)
        return self.pages.answer(request)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nginx", ""
    disable_nagle_algorithm = True
    timeout = 120
    server: "Server"

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self.reply(Response(413, b"Request Entity Too Large", [("Content-Type", "text/plain")]))
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        secure = isinstance(self.connection, ssl.SSLSocket)
        self.reply(self.server.demo.answer(Request(self.command, unquote(path), query, headers, body, secure)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def reply(self, response: Response) -> None:
        self.send_response(response.status)
        stated = {name.lower() for name, _ in response.headers}
        for name, value in response.headers:
            self.send_header(name, value)
        if "content-length" not in stated:
            self.send_header("Content-Length", str(len(response.body)))
        if response.close or self.close_connection:
            self.close_connection = True
            self.send_header("Connection", "close")
        head = b"".join(self._headers_buffer) + b"\r\n"  # type: ignore[attr-defined]
        self._headers_buffer: list[bytes] = []
        body = b"" if self.command == "HEAD" else response.body
        if response.pause:
            # Readable means that the reader has hung up: it has nothing more to say.
            select.select([self.connection], [], [], response.pause)
        if response.cut is not None:
            self.break_off(head + body[: response.cut] if response.cut >= 0 else b"")
        elif response.drip:
            self.wfile.write(head)
            size = max(len(body) // PIECES, 1)
            for start in range(0, len(body), size):
                self.wfile.write(body[start : start + size])
                time.sleep(response.drip / PIECES)
        else:
            # Head and body in one write: two would wait for each other on the wire.
            self.wfile.write(head + body)

    def break_off(self, sent: bytes) -> None:
        """Send so much and reset the connection, as a server does that dies."""
        self.wfile.write(sent)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The shop's own clock, which tests may have set: clients measure theirs by it."""
        return super().date_time_string(self.server.demo.date().timestamp() if timestamp is None else timestamp)

    def log_message(self, *_args) -> None:
        """The shop keeps its own log of requests."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], demo: Demo, tls: ssl.SSLContext | None = None):
        super().__init__(address, Handler)
        self.demo, self.tls = demo, tls
        self.connections: set[socket.socket] = set()
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{address[0]}:{self.server_address[1]}"

    def finish_request(self, request, client_address) -> None:
        if self.tls:  # in the connection's own thread, so that a silent client holds up nobody
            request = self.tls.wrap_socket(request, server_side=True)
        self.connections.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.connections.discard(request)
            if self.tls:
                with contextlib.suppress(OSError):
                    request.close()

    def handle_error(self, request, client_address) -> None:
        """A client that went away is no news; anything else is a fault of ours and shows."""
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, ssl.SSLError)):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.connections):  # kept alive by clients that wait for nothing
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(
    shop: Shop | None = None, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, **settings
) -> Iterator[Demo]:
    """A shop that is served while the block runs; `settings` are fields of `Demo`. Port 0 takes a free one."""
    demo = Demo(shop or small_shop(), **settings)
    server = Server((host, port), demo, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="shop", daemon=True)
    demo.open(server.url)
    thread.start()
    try:
        yield demo
    finally:
        demo.close()
        server.shutdown()
        server.server_close()
        thread.join()


def serve(demo: Demo, host: str, port: int, url: str = "") -> None:
    """Serve until interrupted."""
    server = Server((host, port), demo)
    demo.open(url or server.url)
    try:
        server.serve_forever()
    finally:
        demo.close()
        server.server_close()
