"""Show a mail's HTML in a frame: whatever stands in it, it runs nothing, asks for nothing and its links open in a new tab."""

from django.http import HttpResponse

POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src 'self' https: http: data:",
        "frame-ancestors 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        # Also when it is opened by itself.
        "sandbox allow-popups allow-popups-to-escape-sandbox",
    ]
)
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


def response(html: str) -> HttpResponse:
    """The document for `<iframe sandbox="…">`."""
    answer = HttpResponse(html.replace("<head>", '<head><base target="_blank">', 1))
    answer["Content-Security-Policy"] = POLICY
    answer["X-Frame-Options"] = "SAMEORIGIN"
    answer["Referrer-Policy"] = "no-referrer"
    return answer
