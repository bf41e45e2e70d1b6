"""Files of balances, as they come: pure, without a database."""

from datetime import date

import pytest

from loyalty import reading
from loyalty.models.imports import DateOrder, Problem
from loyalty.reading import Columns, Row, Unreadable, Wrong

TEXT = "E-mail,Points,Note\nasha@mail.example,100,Für Asha €\n"


def refused(reader, *cell):
    with pytest.raises(Wrong) as caught:
        reader(*cell)
    return caught.value.problem


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_one_file_is_the_same_in_every_encoding_and_with_any_line_ends(encoding):
    for text in (TEXT, TEXT.replace("\n", "\r\n"), TEXT.replace("\n", "\r")):
        assert reading.decode(text.encode(encoding)) == TEXT.rstrip("\n")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04...", "XLSX"),
        (b"\xd0\xcf\x11\xe0...", "XLS"),
        (b"%PDF-1.7", "PDF"),
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a,b\n\x00,1", "characters"),
        (b"email\n\x81\x8d", "characters"),
        (b"x" * (reading.MOST_BYTES + 1), "20 MB"),
    ],
    ids=["xlsx", "xls", "pdf", "nothing", "spaces", "a zero byte", "no encoding", "too large"],
)
def test_what_is_no_table_is_refused_with_a_word_on_what_to_do(data, says):
    with pytest.raises(Unreadable, match=says):
        reading.decode(data)


@pytest.mark.parametrize(
    "text",
    [
        "email,points\na@x.example,5",
        "email;points\na@x.example;5",
        "email\tpoints\na@x.example\t5",
        "email|points\na@x.example|5",
        "sep=;\nemail;points\na@x.example;5",
        '"email", "points"\n"a@x.example", "5"',
        "a@x.example,5",
        "\n\nemail,points\n\na@x.example,5\n,,\n",
    ],
)
def test_separators_and_headings_are_found_out(text):
    sample = reading.sample(text)
    columns = reading.guess(sample[0] if reading.has_heading(sample[0]) else ["", ""], sample[-1:])

    found = list(reading.rows(text, Columns(columns["email"], columns.get("points", 1))))

    assert [(row.email, row.points) for row in found] == [("a@x.example", 5)]


def test_quoted_newlines_and_separators_stay_in_their_cell_and_rows_count_as_in_a_spreadsheet():
    text = 'email;points;note\na@x.example;5;"two\nlines; one cell"\nb@x.example;6;\n'

    first, second = reading.rows(text, Columns(0, 1, note=2))

    assert (first.number, first.note) == (2, "two lines; one cell")
    assert (second.number, second.points) == (3, 6)


def test_quotes_that_do_not_match_say_where():
    with pytest.raises(Unreadable, match="Row 3 "):
        list(reading.rows('email,points\na@x.example,5\n"b@x.example,6\nc@x.example,7\n', Columns(0, 1)))


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        (["user_email", "points_balance"], {"email": 0, "points": 1}),
        (["ID", "Customer Email", "Points"], {"email": 1, "points": 2}),
        (["wc_points_balance", "billing_email", "Expiry Date"], {"points": 0, "email": 1, "expires": 2}),
        (["\ufeffE-Mail", "POINTS", "Date", "Reason"], {"email": 0, "points": 1, "earned": 2, "note": 3}),
        (["Kunde", "Punkte"], {}),
    ],
)
def test_columns_are_known_by_the_names_that_plug_ins_give_them(heading, columns):
    assert reading.guess(heading, []) == columns


def test_the_column_with_the_addresses_is_the_column_of_addresses_whatever_its_name():
    assert reading.guess(["Customer", "Mailbox", "Points"], [["Asha", "asha@x.example", "5"]]) == {
        "email": 1, "points": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "points"),
    [
        ("5", 5), ("+50", 50), ("007", 7), ("1,240", 1240), ("1 240", 1240), ("1\u00a0240", 1240), ("1'240", 1240),
        ("1,24,000", 124000), ("1.240.000", 1240000), ("1,240.00", 1240), ("1.240,00", 1240), ("12.0", 12),
        ("१२४०", 1240), ("١٢", 12), ("1000000000000", 10**12), ("\u200b5\u200b", 5),
    ],
)  # fmt: skip
def test_whole_numbers_are_read_as_people_write_them(cell, points):
    assert reading.row_of(2, ["a@x.example", cell], Columns(0, 1), DateOrder.ISO).points == points


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", Problem.NO_POINTS), ("  ", Problem.NO_POINTS), ("-5", Problem.NEGATIVE), ("\u22125", Problem.NEGATIVE),
        ("0", Problem.ZERO), ("-0", Problem.ZERO), ("1e309", Problem.BAD_POINTS), ("1e3", Problem.BAD_POINTS),
        ("12.5", Problem.BAD_POINTS), ("1.240", Problem.UNCLEAR_POINTS), ("NaN", Problem.BAD_POINTS),
        ("inf", Problem.BAD_POINTS), ("5 points", Problem.BAD_POINTS), ("=1+1", Problem.BAD_POINTS), ("1,2", Problem.BAD_POINTS),
        ("0x10", Problem.BAD_POINTS), ("½", Problem.BAD_POINTS), ("1000000000001", Problem.TOO_MANY), ("9" * 5000, Problem.TOO_MANY),
    ],
)  # fmt: skip
def test_what_is_no_whole_number_above_zero_is_refused_for_its_reason(cell, problem):
    assert refused(reading.row_of, 2, ["a@x.example", cell], Columns(0, 1), DateOrder.ISO) == problem


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", Problem.NO_EMAIL), ("asha", Problem.BAD_EMAIL), ("Asha <asha@x.example>", Problem.BAD_EMAIL),
        ("a@x.example, b@x.example", Problem.BAD_EMAIL), ("a@x", Problem.BAD_EMAIL), ("a" * 400 + "@x.example", Problem.BAD_EMAIL),
    ],
)  # fmt: skip
def test_what_is_no_single_address_is_refused(cell, problem):
    assert refused(reading.row_of, 2, [cell, "5"], Columns(0, 1), DateOrder.ISO) == problem


def test_addresses_lose_spaces_and_capitals():
    assert reading.row_of(2, [" Asha@X.Example\u00a0", "5"], Columns(0, 1), DateOrder.ISO) == Row(
        2, "asha@x.example", 5
    )


@pytest.mark.parametrize(
    ("cell", "order", "day"),
    [
        ("2027-12-31", DateOrder.ISO, date(2027, 12, 31)),
        ("2027/1/2 23:59", DateOrder.MONTH_FIRST, date(2027, 1, 2)),
        ("2027-12-31T00:00:00+05:30", DateOrder.ISO, date(2027, 12, 31)),
        ("31.12.2027", DateOrder.DAY_FIRST, date(2027, 12, 31)),
        ("01/02/2027", DateOrder.DAY_FIRST, date(2027, 2, 1)),
        ("01/02/2027", DateOrder.MONTH_FIRST, date(2027, 1, 2)),
        ("", DateOrder.ISO, None),
    ],
)
def test_days_are_read_in_the_chosen_order(cell, order, day):
    assert reading.day(cell, order) == day


@pytest.mark.parametrize(
    "cell", ["31.12.2027", "2027-02-30", "2027-13-01", "31/12/27", "soon", "99999-01-01", "0000-01-01"]
)
def test_days_that_are_not_certain_are_refused(cell):
    assert refused(reading.day, cell, DateOrder.ISO) == Problem.BAD_DATE


def test_the_order_of_day_and_month_is_guessed_from_all_days():
    assert reading.guess_order(["01/02/2027", "13/02/2027"]) == DateOrder.DAY_FIRST
    assert reading.guess_order(["01/02/2027", "02/13/2027"]) == DateOrder.MONTH_FIRST
    assert reading.guess_order(["2027-01-02", ""]) == DateOrder.ISO


def test_a_row_with_too_few_cells_is_wrong_and_the_others_are_not():
    found = list(reading.rows("email,points\na@x.example\nb@x.example,5", Columns(0, 1)))

    number, email, wrong = found[0]
    assert (number, email, wrong.problem) == (2, "a@x.example", Problem.NO_POINTS)
    assert found[1].points == 5
