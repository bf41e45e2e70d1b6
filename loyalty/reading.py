"""Files of balances from elsewhere: bytes become rows, and cells become addresses, points and days. Pure: no queries.

A file comes from any shop plug-in, through any spreadsheet of any country. What is not certain is refused with a word on what to do,
and never guessed: points are money.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .models.imports import DateOrder, Problem
from .posting import MOST_POINTS

MOST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 200_000
_SAMPLE = 20
_SEPARATORS = ",;\t|"
# How other programs begin their files: what people upload by mistake.
_NOT_TEXT = {b"PK\x03\x04": "XLSX", b"\xd0\xcf\x11\xe0": "XLS", b"%PDF": "PDF"}
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"))
_SPACES = re.compile(r"[\s\u00a0\u202f]+")

# Of these plug-ins' exports: Points and Rewards (`wc_points_balance`, `points_balance`), YITH, Flycart, WP Swings, and spreadsheets.
ALIASES = {
    "email": "email e_mail mail user_email customer_email billing_email email_address e_mail_address user customer",
    "points": "points points_balance wc_points_balance balance total_points point_balance current_points points_amount",
    "expires": "expires expiry expires_at expires_on expiry_date expiration expiration_date valid_until",
    "earned": "date earned earned_at earned_on created created_at date_earned",
    "note": "note reason comment description event remark",
}


class Unreadable(Exception):
    """The file as a whole can't be read; the message is for people and says what to do."""


class Wrong(Exception):
    """A cell can't be taken; `problem` says why, `value` is what stands there."""

    def __init__(self, problem: Problem, value: str = ""):
        super().__init__(problem)
        self.problem, self.value = problem, value[:100]


ADVICE = {
    Problem.NO_EMAIL: gettext_lazy("Fill it in, or leave the row out."),
    Problem.BAD_EMAIL: gettext_lazy("Correct it: one address, without a name beside it."),
    Problem.NO_POINTS: gettext_lazy("Fill them in, or leave the row out."),
    Problem.BAD_POINTS: gettext_lazy("Write digits alone: 1240."),
    Problem.UNCLEAR_POINTS: gettext_lazy("Write it without separators: 1240."),
    Problem.NEGATIVE: gettext_lazy("Take points away on the account's page, with a reason."),
    Problem.TOO_MANY: gettext_lazy("Correct the number."),
    Problem.BAD_DATE: gettext_lazy("Write it as 2027-12-31, or choose another order of day and month."),
    Problem.EXPIRED: gettext_lazy("Nothing to do, or give them a later day."),
    Problem.ZERO: gettext_lazy("Nothing to do."),
    Problem.TWICE: gettext_lazy("Nothing to do: it counts once. If both are meant, add them up in one row."),
    Problem.AGAIN: gettext_lazy("Nothing to do, or choose that such rows count again."),
    Problem.UNKNOWN: gettext_lazy(
        "Nothing to do: the row waits, and is imported when the customer is there. Or choose to make guests of them."
    ),
}


@dataclass
class Columns:
    """Which column (from 0) says what; None: the file does not say it."""

    email: int
    points: int
    expires: int | None = None
    earned: int | None = None
    note: int | None = None


@dataclass
class Row:
    """What a row of the file says. `number` is the row in a spreadsheet: the first is 1."""

    number: int
    email: str
    points: int
    expires: date | None = None
    earned: date | None = None
    note: str = ""


def decode(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or Windows-1252, with or without a mark. Raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(_("The file is larger than 20 MB. Divide it into several."))
    for mark, name in _NOT_TEXT.items():
        if data.startswith(mark):
            raise Unreadable(_("This is a file of the kind %(kind)s. Save it as CSV first.") % {"kind": name})
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
            if not text.strip():
                raise Unreadable(_("The file is empty."))
            return text
    raise Unreadable(_("The file's characters can't be read. Save it as CSV in UTF-8."))


def _encodings(data: bytes) -> list[str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    head = data[:400]
    if len(head) > 1 and head[1::2].count(0) > len(head) // 4:
        return ["utf-16-le"]
    if len(head) > 1 and head[::2].count(0) > len(head) // 4:
        return ["utf-16-be"]
    return ["utf-8", "cp1252"]


def digest_of(text: str) -> str:
    """The same for the same rows, whatever their encoding and line ends."""
    return hashlib.sha256(text.encode()).hexdigest()


def records(text: str) -> Iterator[list[str]]:
    """The file's rows, the heading among them; its separator is found out. Raises Unreadable where quotes do not match."""
    first, _newline, rest = text.partition("\n")
    if re.fullmatch(r"sep=[,;|\t]", first.strip(), re.IGNORECASE):
        return _parsed(rest, first.strip()[-1])
    return _parsed(text, _separator(text))


def _parsed(text: str, separator: str) -> Iterator[list[str]]:
    number = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for cells in reader:
            number += 1
            if number > MOST_ROWS + 1:
                raise Unreadable(_("The file has more than 200,000 rows. Divide it into several."))
            yield cells
    except csv.Error:
        values = {"row": number + 1, "line": reader.line_num}
        raise Unreadable(_("Row %(row)s (line %(line)s): the quotes around a cell do not match.") % values) from None


def _separator(text: str) -> str:
    """Whatever parts the first rows into most columns, all of them alike."""
    best, most = ",", 1
    for separator in _SEPARATORS:
        try:
            widths = [len(cells) for cells in islice(_parsed(text, separator), _SAMPLE) if cells]
        except Unreadable:
            continue
        if widths and min(widths) > most and max(widths) == min(widths):
            best, most = separator, widths[0]
    if most > 1:
        return best
    # Rows of many lengths: the heading decides.
    heading = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=heading.count)


def sample(text: str) -> list[list[str]]:
    """The first rows with anything in them, the heading among them. Raises Unreadable."""
    return list(islice((cells for cells in records(text) if any(cells)), _SAMPLE))


def has_heading(first: Sequence[str]) -> bool:
    """Whether the first row names the columns. One with an address in it is somebody's points."""
    return not any("@" in cell for cell in first)


def guess(heading: Sequence[str], body: Sequence[Sequence[str]]) -> dict[str, int]:
    """Columns that are known by their names, or by the addresses in them."""
    names = [re.sub(r"[^a-z0-9]+", "_", name.translate(_INVISIBLE).strip().lower()).strip("_") for name in heading]
    found: dict[str, int] = {}
    for what, aliases in ALIASES.items():
        for alias in aliases.split():
            if alias in names and names.index(alias) not in found.values():
                found[what] = names.index(alias)
                break
    with_address = [sum("@" in cells[n] for cells in body if n < len(cells)) for n in range(len(heading))]
    named = with_address[found["email"]] if "email" in found else 0
    if named < max(with_address, default=0):
        place = with_address.index(max(with_address))
        found = {what: n for what, n in found.items() if n != place} | {"email": place}
    return found


def guess_order(cells: Sequence[str]) -> DateOrder:
    """How these days are written, as far as one can tell; the day first where both would do."""
    parts = [re.findall(r"\d+", cell) for cell in cells]
    parts = [numbers for numbers in parts if len(numbers) >= 3 and len(numbers[0]) <= 2]
    if not parts:
        return DateOrder.ISO
    return DateOrder.MONTH_FIRST if any(int(numbers[1]) > 12 for numbers in parts) else DateOrder.DAY_FIRST


def rows(text: str, columns: Columns, order: str = DateOrder.ISO) -> Iterator[Row | tuple[int, str, Wrong]]:
    """Each row of the file, or its number, its address and what is wrong with it. Empty rows are passed over."""
    begun = False
    for number, cells in enumerate(records(text), 1):
        if not any(cell.strip() for cell in cells):
            continue
        if not begun and has_heading(cells):
            begun = True
            continue
        begun = True
        try:
            yield row_of(number, cells, columns, order)
        except Wrong as wrong:
            yield number, _cell(cells, columns.email).lower()[:320], wrong


def row_of(number: int, cells: Sequence[str], columns: Columns, order: str) -> Row:
    """Raises Wrong."""
    return Row(
        number,
        email(_cell(cells, columns.email)),
        points(_cell(cells, columns.points)),
        expires=day(_cell(cells, columns.expires), order),
        earned=day(_cell(cells, columns.earned), order),
        note=_SPACES.sub(" ", _cell(cells, columns.note))[:300],
    )


def _cell(cells: Sequence[str], column: int | None) -> str:
    if column is None or column >= len(cells):
        return ""
    return cells[column].translate(_INVISIBLE).replace("\u00a0", " ").strip()


def email(text: str) -> str:
    """A plain address in lower case. Raises Wrong."""
    if not text:
        raise Wrong(Problem.NO_EMAIL)
    try:
        validate_email(text)
    except ValidationError:
        raise Wrong(Problem.BAD_EMAIL, text) from None
    return text.lower()


def points(text: str) -> int:
    """A whole number above zero, in the digits of any script, grouped or with a fraction of zeros. Raises Wrong."""
    if not text:
        raise Wrong(Problem.NO_POINTS)
    plain = text.replace("\u2212", "-").removeprefix("+").strip()
    negative, plain = plain.startswith("-"), plain.removeprefix("-").strip()
    if re.fullmatch(r"\d{1,3}\.\d{3}", plain):
        raise Wrong(Problem.UNCLEAR_POINTS, text)
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,0{1,2}", plain):
        # A comma before the fraction: points part the thousands.
        plain = plain.replace(".", "")
    plain = re.sub(r"(?<=\d)[.,]0{1,2}$", "", plain)
    if re.fullmatch(r"\d{1,3}([ '\u2019\u202f,])\d{3}(\1\d{3})*", plain) or re.fullmatch(
        r"\d{1,2}(,\d{2})*,\d{3}", plain
    ):
        plain = re.sub(r"\D", "", plain)
    if re.fullmatch(r"\d{1,3}(\.\d{3}){2,}", plain):
        plain = plain.replace(".", "")
    if not re.fullmatch(r"\d+", plain):
        raise Wrong(Problem.BAD_POINTS, text)
    if len(plain) > 20 or (number := int(plain)) > MOST_POINTS:
        raise Wrong(Problem.TOO_MANY, text)
    if not number:
        raise Wrong(Problem.ZERO, text)
    if negative:
        raise Wrong(Problem.NEGATIVE, text)
    return number


def day(text: str, order: str) -> date | None:
    """A day, with or without a time after it, which does not matter; None for an empty cell. Raises Wrong."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})(?:[T ].*)?", text)
    if not found:
        raise Wrong(Problem.BAD_DATE, text)
    a, b, c = (int(part) for part in found.groups())
    if len(found[1]) == 4:
        year, month, number = a, b, c
    elif order == DateOrder.MONTH_FIRST:
        month, number, year = a, b, c
    elif order == DateOrder.DAY_FIRST:
        number, month, year = a, b, c
    else:
        raise Wrong(Problem.BAD_DATE, text)
    try:
        # A year of two digits may be of any century.
        return date(year if year >= 1900 else 0, month, number)
    except ValueError:
        raise Wrong(Problem.BAD_DATE, text) from None
