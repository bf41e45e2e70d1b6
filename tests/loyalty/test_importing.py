import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from crm.events.models import Event
from crm.orders import erasing
from crm.orders.models import Customer
from crm.work import drain
from crm.work.models import DueWork
from loyalty import importing, ledger, proof, reading, statements
from loyalty.importing import Stage, State
from loyalty.models import Account, BalanceImport, ImportRow, LedgerEntry, Lot, Member
from loyalty.models.imports import Problem
from tests.factories import NOW, make_account, make_customer, make_guest, make_staff, make_store

pytestmark = pytest.mark.django_db
ADMIN = "/admin/loyalty/balanceimport/"
FILE = "email,points\nasha@x.example,100\nravi@x.example,250\n"


@pytest.fixture
def people(store, program):
    return {name: make_customer(store, email=f"{name}@x.example") for name in ("asha", "ravi")}


@pytest.fixture(autouse=True)
def the_books_close(db):
    yield
    assert list(proof.differences()) == []


@pytest.fixture
def owner(client, store):
    client.force_login(make_staff(store))
    return client


def uploaded(store, text, **choices):
    row, _new = importing.upload(store, "points.csv", text.encode())
    importing.choose(row, reading.Columns(**row.columns), order=choices.pop("order", row.date_order), **choices)
    return row


def tried(store, text, **choices):
    row = uploaded(store, text, **choices)
    importing.check(row, NOW)
    return row


def imported(store, text, **choices):
    row = tried(store, text, **choices)
    importing.post(row, NOW)
    return row


def balances():
    return dict(Account.objects.values_list("customer__email", "balance"))


def problems(row):
    return {found.number: (found.state, found.problem) for found in row.rows.exclude(problem="")}


def text_of(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_points_are_imported_once_with_a_cause_that_names_file_and_row(store, people):
    row = imported(store, FILE)
    importing.check(row, NOW)
    importing.post(row, NOW)
    again, _new = importing.upload(store, "again.csv", FILE.encode())
    saved_anew, new = importing.upload(store, "anew.csv", b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())

    assert balances() == {"asha@x.example": 100, "ravi@x.example": 250}
    assert (again, saved_anew, new) == (row, row, False)
    assert set(LedgerEntry.objects.values_list("cause", "kind")) == {
        (f"import:{row.digest}:{number}", "adjust") for number in (2, 3)
    }
    assert (row.stage, BalanceImport.objects.get().text) == (Stage.IMPORTED, "")
    # History is silent.
    assert not Event.objects.filter(type__startswith="points.").exists()


def test_a_trial_says_row_by_row_what_an_import_would_do_and_posts_nothing(store, people):
    make_account(people["asha"], 5)
    row = tried(
        store,
        "email;points;expires\nasha@x.example;100;2027-01-31\nasha@x.example;-5;\nnobody@x.example;7;\n"
        "ravi@x.example;1e309;\nravi@x.example;0;\n;9;\nasha@x.example;100;2027-01-31\nravi@x.example;20;2020-01-01\n",
    )

    assert problems(row) == {
        3: ("wrong", Problem.NEGATIVE), 4: ("waiting", Problem.UNKNOWN), 5: ("wrong", Problem.BAD_POINTS),
        6: ("left_out", Problem.ZERO), 7: ("wrong", Problem.NO_EMAIL), 8: ("left_out", Problem.TWICE),
        9: ("left_out", Problem.EXPIRED),
    }  # fmt: skip
    assert row.rows.get(number=8).value == "2"
    assert importing.sums(row)[State.READY] == importing.Sums(1, 100)
    assert LedgerEntry.objects.count() == 1
    for number, _email, _points, _state, problem, _value, advice in importing.problems(row, 100):
        assert problem and advice, number


def test_trying_again_with_other_columns_begins_anew(store, people):
    row = tried(store, "email,old,points\nasha@x.example,1,100\n")
    importing.choose(row, reading.Columns(0, 1))
    importing.check(row, NOW)
    importing.post(row, NOW)

    assert balances() == {"asha@x.example": 1}
    with pytest.raises(importing.NotNow):
        importing.choose(row, reading.Columns(0, 2))


def test_days_of_expiry_are_the_stores_days_and_earned_days_count_where_each_earning_expires(store, program, people):
    program.expiry, program.expiry_months = "lot", 12
    program.save()
    imported(
        store,
        "email,points,expires,earned\nasha@x.example,1,31.01.2027,\nravi@x.example,2,,28.02.2026\n"
        "ravi@x.example,3,,01.01.2019\nasha@x.example,4,,\n",
    )

    lots = dict(Lot.objects.values_list("granted", "expires_at"))
    assert lots[1] == datetime(2027, 1, 31, 18, 30, tzinfo=UTC)
    assert lots[2] == datetime(2027, 2, 28, 18, 30, tzinfo=UTC)
    # Over by the rule long ago: what was just given is not taken at once.
    assert lots[3] == NOW + timedelta(days=60)
    assert lots[4] is None


def test_unknown_people_wait_until_they_are_there_or_become_guests(store, people):
    row = imported(store, FILE + "nobody@x.example,7\n")
    assert balances() == {"asha@x.example": 100, "ravi@x.example": 250}
    importing.nightly(store, NOW)
    make_guest(store, email="nobody@x.example")

    importing.nightly(store, NOW)
    importing.nightly(store, NOW)

    assert balances()["nobody@x.example"] == 7
    assert importing.sums(row)[State.POSTED].rows == 3
    other = imported(store, "email,points\nnew@x.example,9\n", guests=True)
    assert balances()["new@x.example"] == 9
    assert Customer.objects.get(email="new@x.example").is_guest
    assert importing.sums(other)[State.POSTED].rows == 1


def test_points_go_to_the_account_in_the_shop_before_a_guest_and_to_whom_a_guest_was_joined(store, program):
    guest = make_guest(store, email="asha@x.example")
    account = make_customer(store, email="asha@x.example")
    make_guest(store, email="ravi@x.example", joined_to=account)
    make_customer(make_store(), email="asha@x.example")
    make_customer(store, email="")

    imported(store, FILE)

    assert Account.objects.get().customer == account
    assert Account.objects.get().balance == 350
    assert guest.accounts.count() == 0


def test_what_another_file_brought_is_left_out_unless_it_is_to_count_again(store, people):
    imported(store, FILE)
    mended = FILE + "asha@x.example,5\n"

    row = imported(store, mended)
    assert problems(row) == {2: ("left_out", Problem.AGAIN), 3: ("left_out", Problem.AGAIN)}
    assert balances()["asha@x.example"] == 105
    imported(store, FILE + "ravi@x.example,1\n", repeats=True)
    assert balances() == {"asha@x.example": 205, "ravi@x.example": 501}


def test_members_of_the_old_programme_take_part_in_one_that_is_joined(store, program, people):
    program.enrolment = "join"
    program.save()

    imported(store, FILE)

    assert Member.objects.current().count() == 2


def test_a_process_that_dies_in_the_middle_leaves_whole_batches_and_the_rest_follows(store, people, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 1)
    row = tried(store, FILE)

    with pytest.raises(KeyboardInterrupt):
        importing.post(row, NOW, progress=_die)
    assert sum(balances().values()) == 100
    importing.post(row, NOW)

    assert balances() == {"asha@x.example": 100, "ravi@x.example": 250}


def _die(done):
    raise KeyboardInterrupt


def test_statements_cost_a_constant_number_whatever_the_batch(store, program, django_assert_num_queries):
    for count in (3, 300):
        names = [f"c{count}-{n}@x.example" for n in range(count)]
        for name in names:
            make_customer(store, email=name)
        row = tried(store, "email,points\n" + "\n".join(f"{name},5" for name in names))
        with django_assert_num_queries(16):
            importing.post(row, NOW)

    assert Account.objects.count() == 303


def test_a_file_whose_quotes_do_not_match_is_refused_as_a_whole(store, people):
    row = tried(store, FILE + "x@x.example,1\n" * 30 + '"open,5\n')

    assert (row.stage, row.rows.count()) == (Stage.UPLOADED, 0)
    assert "Row 34" in row.problem


def test_owners_upload_choose_columns_try_and_import(owner, store, people):
    page = owner.post(
        f"{ADMIN}add/",
        {
            "store": store.pk,
            "file": SimpleUploadedFile("=cmd.csv", b"Mail;Old points\nasha@x.example;100\nravi@x.example;x\n"),
        },
    )
    row = BalanceImport.objects.get()
    change = f"{ADMIN}{row.pk}/change/"
    assert page.headers["Location"] == change
    assert "asha@x.example" in text_of(owner.get(change))
    assert "can say one thing only" in text_of(
        owner.post(change, {"do": "check", "email": 0, "points": 0, "order": "iso"})
    )

    owner.post(change, {"do": "check", "email": 0, "points": 1, "order": "iso"})
    waiting = owner.get(change)
    assert "Waiting for a worker" in text_of(waiting)
    assert "Refresh" in waiting.headers
    drain.drain_all()
    shown = text_of(owner.get(change))
    assert "Import 1 row (100 points)" in shown
    assert "1 row is wrong" in shown
    assert "This is no whole number." in shown
    assert not LedgerEntry.objects.exists()
    report = b"".join(owner.get(f"{change}?format=csv").streaming_content).decode()
    assert "3,ravi@x.example,,Wrong,This is no whole number.,x,Write digits alone: 1240." in report

    owner.post(change, {"do": "import"})
    owner.post(change, {"do": "import"})
    drain.drain_all()
    owner.post(change, {"do": "import"})
    drain.drain_all()
    assert balances() == {"asha@x.example": 100}
    assert "Imported" in text_of(owner.get(change))
    owner.post(change, {"do": "discard"})
    assert BalanceImport.objects.count() == 1


def test_an_upload_can_be_forgotten_and_is_forgotten_after_a_month(owner, store, people):
    row = tried(store, FILE)
    owner.post(f"{ADMIN}{row.pk}/change/", {"do": "discard"})
    assert not BalanceImport.objects.exists()

    tried(store, FILE)
    kept = imported(store, FILE + "\n\n,,\nasha@x.example,1")
    importing.nightly(store, timezone.now() + timedelta(days=31))
    assert list(BalanceImport.objects.all()) == [kept]


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"", b'"a,b\n1,2'])
def test_what_is_no_table_is_refused_on_the_form(owner, store, program, data):
    page = owner.post(f"{ADMIN}add/", {"store": store.pk, "file": SimpleUploadedFile("points.csv", data)})

    assert page.status_code == 200
    assert not BalanceImport.objects.exists()


def test_words_of_a_file_are_never_markup(owner, store, people):
    row = tried(store, "email,points,note\nasha@x.example,5,<script>alert(1)</script>\n<b>x</b>,<img src=x>,\n")

    page = owner.get(f"{ADMIN}{row.pk}/change/").content.decode()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x&gt;" in page


def run(*args, **options):
    out = io.StringIO()
    call_command("import_points", *args, stdout=out, **options)
    return out.getvalue()


def test_the_command_tries_then_imports_and_is_silent_the_second_time(store, people, tmp_path):
    file = tmp_path / "old.csv"
    file.write_text("Mail;Old\nasha@x.example;100\nravi@x.example;250\n")
    arguments = [store.slug, str(file), "--map", "email=Mail", "--map", "points=2"]

    with pytest.raises(CommandError, match="Which column says points"):
        run(store.slug, str(file), "--map", "email=Mail")
    with pytest.raises(CommandError, match="no column 'Points'"):
        run(store.slug, str(file), "--map", "points=Points")
    assert "Ready: 2 rows, 350 points" in run(*arguments, "--dry-run")
    assert not LedgerEntry.objects.exists()
    assert "Imported: 2 rows, 350 points" in run(*arguments)
    assert "Imported: 2 rows, 350 points" in run(*arguments)
    assert balances() == {"asha@x.example": 100, "ravi@x.example": 250}


def test_the_command_imports_nothing_while_rows_are_wrong(store, people, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text(FILE + "asha@x.example,-1\n")

    with pytest.raises(CommandError, match="1 wrong rows"):
        run(store.slug, str(file))
    assert not LedgerEntry.objects.exists()
    run(store.slug, str(file), "--leave-out")
    assert sum(balances().values()) == 350
    for missing in (["nowhere", str(file)], [store.slug, str(tmp_path / "nothing.csv")]):
        with pytest.raises(CommandError):
            run(*missing)


def test_a_customer_reads_what_was_brought_along(store, people):
    imported(store, "email,points,note\nasha@x.example,100,From our old programme\n")

    (line,), _more = statements.lines([Account.objects.get().pk])

    assert (line.title, line.why) == ("Points you brought along", ["From our old programme"])


def test_erasing_a_person_empties_rows_and_forgets_uploads_that_name_them(store, people):
    done = imported(store, FILE + "gone@x.example,3\n")
    tried(store, "email,points\nASHA@x.example,1\n")

    for email in ("asha@x.example", "gone@x.example"):
        erasing.erase(erasing.find(store, email, timezone.now()))

    assert list(BalanceImport.objects.all()) == [done]
    assert set(ImportRow.objects.values_list("email", "state")) == {
        ("", "posted"), ("", "left_out"), ("ravi@x.example", "posted"),
    }  # fmt: skip
    importing.nightly(store, timezone.now())
    assert LedgerEntry.objects.count() == 2


def test_a_worker_that_fails_for_good_says_so_and_may_be_asked_again(owner, store, people):
    row = tried(store, FILE)
    BalanceImport.objects.update(state=DueWork.State.PARKED, step="post", error="RuntimeError")

    assert "try again" in text_of(owner.get(f"{ADMIN}{row.pk}/change/"))
    owner.post(f"{ADMIN}{row.pk}/change/", {"do": "import"})
    drain.drain_all()

    assert sum(balances().values()) == 350
    assert program_worth(store) == Decimal("3.50")


def program_worth(store):
    from loyalty import liability, programs

    found = liability.report(programs.of(store), timezone.now())
    return found.program.worth(found.outstanding)


def test_a_balance_below_zero_is_paid_by_what_is_brought_along(store, program, people):
    program.negative_balance = True
    program.save()
    ledger.post(make_account(people["asha"]), "adjust", -30, "debt")

    imported(store, FILE)

    assert balances()["asha@x.example"] == 70
