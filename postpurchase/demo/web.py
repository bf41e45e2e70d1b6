"""One request in, one answer out: the little that the shop's doors need of HTTP."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass
class Request:
    method: str
    path: str
    query_string: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    secure: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_string, keep_blank_values=True)

    @property
    def site(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.headers.get('host', 'localhost')}"


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False  # end the connection after this answer
    # How an answer of a shop in trouble reaches its reader (`faults.py`).
    pause: float = 0.0  # seconds before it begins, or until the reader gives up
    drip: float = 0.0  # seconds over which the body is spread, piece by piece
    cut: int | None = None  # break the connection off after so many bytes of the body; -1: without any answer


def json_response(data, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    # WordPress escapes slashes and everything beyond ASCII; a signature is over these very bytes.
    return Response(
        status, wordpress_json(data), [("Content-Type", "application/json; charset=UTF-8"), *(headers or [])]
    )


def wordpress_json(data) -> bytes:
    return json.dumps(data, separators=(",", ":")).replace("/", "\\/").encode()


def html_response(page: str, status: int = 200, also_from: str = "") -> Response:
    """`also_from`: another site whose scripts the page runs, and which they may ask."""
    policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    if also_from:
        policy += f"; script-src 'self' {also_from}; connect-src 'self' {also_from}"
    return Response(
        status,
        page.encode(),
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("Referrer-Policy", "same-origin"),
        ],
    )


def redirect(to: str) -> Response:
    return Response(303, b"", [("Location", to)])
