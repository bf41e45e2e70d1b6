"""The pretend shop, a client of its REST API, and a listener for its webhooks."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from postpurchase.demo import server


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.moment = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def tick(self, seconds: float = 1) -> None:
        self.moment += timedelta(seconds=seconds)


class Rest:
    """Signs in with basic authentication and answers (status, JSON)."""

    def __init__(self, demo):
        self.demo, self.session = demo, requests.Session()
        self.session.auth = (demo.key, demo.secret)

    def send(self, method: str, path: str, body=None, **params):
        return self.session.request(
            method, f"{self.demo.url}/wp-json/wc/v3/{path}", params=params, json=body, timeout=10
        )

    def get(self, path: str, **params):
        return self.send("GET", path, **params).json()

    def put(self, path: str, body) -> dict:
        return self.send("PUT", path, body).json()

    def post(self, path: str, body) -> dict:
        return self.send("POST", path, body).json()


class Listener:
    """Takes deliveries on a local port and answers what `status` says."""

    def __init__(self):
        self.heard: list[dict] = []
        self.status = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append({"path": self.path, "headers": self.headers, "body": body})
                self.send_response(listener.status)
                if listener.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def topics(self) -> list[str]:
        return [heard["headers"].get("X-WC-Webhook-Topic", "ping") for heard in self.heard]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shop(clock):
    return server.small_shop(now=clock)


@pytest.fixture
def demo(shop):
    with server.running(shop, behind_tls=True) as demo:
        yield demo


@pytest.fixture
def rest(demo):
    client = Rest(demo)
    yield client
    client.session.close()


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.stop()
