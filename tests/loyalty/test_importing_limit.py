"""A file is points by hand: what gives more than one person may in a day is imported by another owner."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from crm.work import drain
from loyalty import importing
from loyalty.models import Account, BalanceImport, Program
from tests.factories import make_customer, make_program, make_staff, make_store

pytestmark = pytest.mark.django_db
ADMIN = "/admin/loyalty/balanceimport/"
COLUMNS = {"email": "0", "points": "1", "order": "iso"}


@pytest.fixture
def store():
    store = make_store()
    make_program(store, adjust_limit=300)
    for name in ("asha", "ravi"):
        make_customer(store, email=f"{name}@x.example")
    return store


@pytest.fixture
def owners(store):
    """Two owners, each with a browser."""
    both = Client(), Client()
    for client in both:
        client.force_login(make_staff(store))
    return both


def upload(client, store, *rows):
    """The page of a file that was uploaded and tried."""
    text = "\n".join(["email,points", *rows])
    client.post(f"{ADMIN}add/", {"store": store.pk, "file": SimpleUploadedFile("points.csv", text.encode())})
    page = f"{ADMIN}{BalanceImport.objects.order_by('pk').last().pk}/change/"
    client.post(page, COLUMNS | {"do": "check"})
    drain.drain_all()
    return page


def press(client, page):
    said = client.post(page, {"do": "import"}, follow=True).content.decode()
    drain.drain_all()
    return said


def given():
    return sum(Account.objects.values_list("balance", flat=True))


@pytest.mark.parametrize(
    "rows", [["asha@x.example,301"], ["asha@x.example,200", "ravi@x.example,101"], ["asha@x.example,1", "new@x.example,300"]]
)  # fmt: skip
def test_beyond_the_limit_another_owner_imports(store, owners, rows):
    first, second = owners
    page = upload(first, store, *rows)
    assert "Another owner has to look at it" in first.get(page).content.decode()

    assert "another owner has to import it" in press(first, page)
    assert given() == 0
    shown = second.get(page).content.decode()
    assert 'value="import"' in shown and "Another owner" not in shown
    press(second, page)

    assert given() > 0


def test_up_to_the_limit_of_a_day_one_owner_is_enough(store, owners):
    first, _second = owners
    page, next_page = upload(first, store, "asha@x.example,200"), upload(first, store, "ravi@x.example,101")

    assert 'value="import"' in first.get(page).content.decode()
    press(first, page)
    press(first, next_page)
    assert given() == 200
    BalanceImport.objects.update(due_at="2026-01-01T00:00Z")
    press(first, next_page)
    assert given() == 301


def test_the_limit_holds_for_a_file_that_was_tried_only_after_it_was_read(store, owners):
    first, _second = owners
    upload(first, store, "asha@x.example,301")
    row = BalanceImport.objects.get()
    row.stage = BalanceImport.Stage.UPLOADED

    with pytest.raises(importing.NotYours):
        importing.ask(row, BalanceImport.Step.POST, by=row.created_by)


def test_who_lets_a_file_in_has_not_said_what_its_columns_are(store, owners):
    first, second = owners
    page = upload(first, store, "asha@x.example,301")

    said = second.post(page, COLUMNS | {"do": "check"}, follow=True).content.decode()
    assert "upload it yourself" in said

    second.post(page, {"do": "discard"})
    page = upload(second, store, "asha@x.example,301")
    press(second, page)
    assert given() == 0
    press(first, page)
    assert given() == 301


def test_without_a_limit_and_by_the_command_one_is_enough(store, owners, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("email,points\nasha@x.example,400\n")
    call_command("import_points", store.slug, str(file), verbosity=0)
    Program.objects.update(adjust_limit=None)

    press(owners[0], upload(owners[0], store, "ravi@x.example,1000"))

    assert given() == 1400
