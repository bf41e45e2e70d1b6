"""Tables that leave the house as CSV: for spreadsheets of any country, and harmless in them."""

import csv
import io
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

# A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_AT_ONCE = 500


def safe(value: object) -> str:
    """A cell's text; what a spreadsheet would take for a formula gets an apostrophe. Numbers keep their sign."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """CSV of these rows in pieces. It begins with a mark by which spreadsheets know that it is UTF-8."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, 1):
        writer.writerow([safe(value) for value in row])
        if number % _AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def download(rows: Iterable[Iterable[object]], name: str) -> StreamingHttpResponse:
    """A file to keep, sent while it is made. `name` is ASCII, without a suffix."""
    response = StreamingHttpResponse(lines(rows), "text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response
