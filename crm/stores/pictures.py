"""Pictures that people upload: known by what is in them, not by what they call themselves."""

MAX_BYTES = 200_000


def media_type(data: bytes) -> str:
    """`image/png`, `image/jpeg` or `image/webp`; empty for anything else. SVG is a document that can run scripts."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return ""
