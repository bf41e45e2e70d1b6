"""A web server on this machine that answers what a test tells it to, wrong answers included."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Reply:
    def __init__(self, body=b"[]", status=200, *, length=None, **headers):
        self.body = (
            body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        )
        self.status = status
        self.length = len(self.body) if length is None else length
        self.headers = {"Content-Type": "application/json; charset=UTF-8"} | {
            name.replace("_", "-"): str(value) for name, value in headers.items()
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path)
        request = {
            "method": self.command,
            "path": parts.path,
            "params": dict(parse_qsl(parts.query)),
            "headers": dict(self.headers),
            "body": self.rfile.read(length),
            "connection": self.client_address,
        }
        self.server.requests.append(request)
        reply = self.server.answer(request)
        if reply is None:  # hang up
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(reply.length))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.length != len(reply.body):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *args):
        pass


@contextmanager
def serving(answer):
    """Serve `answer(request) -> Reply | None`; a list of replies is given out in order, the last for ever."""
    if isinstance(answer, list):
        replies = list(answer)
        answer = lambda request: replies.pop(0) if len(replies) > 1 else replies[0]  # noqa: E731
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.answer, server.requests = answer, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
