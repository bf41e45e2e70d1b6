from argparse import ArgumentTypeError
from dataclasses import fields
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.stores.models import Store
from loyalty import importing, reading
from loyalty.models import ImportRow
from loyalty.models.imports import DateOrder
from loyalty.reading import Columns

State = ImportRow.State
SHOWN = 20
NAMES = [column.name for column in fields(Columns)]


def mapping(text: str) -> tuple[str, str]:
    what, equals, column = text.partition("=")
    if what not in NAMES or not equals or not column.strip():
        raise ArgumentTypeError(f"{text!r}: write one of {', '.join(NAMES)}, =, and the column's name or number")
    return what, column.strip()


class Command(BaseCommand):
    help = "Import points that customers bring along from another programme: a CSV file with addresses and points."

    def add_arguments(self, parser):
        parser.add_argument("slug", metavar="STORE", help="the store's short name")
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--map", type=mapping, action="append", default=[], metavar="WHAT=COLUMN",
            help=f"the column (its name, or its number from 1) that says {', '.join(NAMES)}; known names need none",
        )  # fmt: skip
        parser.add_argument("--dates", choices=DateOrder.values, help="how days are written; guessed if it is left out")
        parser.add_argument(
            "--guests", action="store_true", help="make guests of unknown addresses; else their rows wait"
        )
        parser.add_argument("--repeats", action="store_true", help="rows that another file has brought count again")
        parser.add_argument("--leave-out", action="store_true", help="import although rows are wrong, without them")
        parser.add_argument("--dry-run", action="store_true", help="say row by row what would be done, and do nothing")

    def handle(self, *, slug, file, dry_run, leave_out, verbosity, **options):
        store = Store.objects.filter(slug=slug).first()
        if store is None:
            raise CommandError(f"There is no store {slug!r}.")
        try:
            data = file.read_bytes()
            row, new = importing.upload(store, file.name, data)
            if row.stage != row.Stage.IMPORTED:
                columns = self._columns(row, options["map"])
                importing.choose(
                    row, columns, order=options["dates"] or row.date_order, guests=options["guests"], repeats=options["repeats"]
                )  # fmt: skip
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except reading.Unreadable as error:
            raise CommandError(str(error)) from error
        except importing.NotNow:
            raise CommandError("This file is being imported at this moment.") from None
        if verbosity and not new:
            self.stdout.write(f"This file was there before ({row.get_stage_display().lower()}).")
        at = timezone.now()
        say = self._progress(row, verbosity)
        importing.check(row, at, say)
        if row.problem:
            raise CommandError(row.problem)
        if dry_run:
            return self._tell(row, verbosity)
        wrong = importing.sums(row)[State.WRONG].rows
        if wrong and not leave_out and row.stage != row.Stage.IMPORTED:
            self._tell(row, verbosity)
            raise CommandError(
                f"Nothing is imported: {wrong} wrong rows. Mend them, or leave them out with --leave-out."
            )
        importing.find_waiting(row)
        importing.post(row, at, say)
        self._tell(row, verbosity)

    def _columns(self, row, wanted) -> Columns:
        sample = reading.sample(row.text)
        names = [name.strip().lower() for name in sample[0]] if reading.has_heading(sample[0]) else []
        columns = dict(row.columns)
        for what, column in wanted:
            if column.lower() in names:
                columns[what] = names.index(column.lower())
            elif column.isdecimal() and 1 <= int(column) <= len(sample[0]):
                columns[what] = int(column) - 1
            else:
                raise CommandError(f"There is no column {column!r}. There are: {', '.join(sample[0])}.")
        if missing := {"email", "points"} - columns.keys():
            raise CommandError(
                f"Which column says {' and which '.join(sorted(missing))}? There are: {', '.join(sample[0])}."
                f" Say so with --map {min(missing)}=COLUMN."
            )
        return Columns(**columns)

    def _progress(self, row, verbosity):
        def say(done):
            if verbosity > 1:
                self.stdout.write(f"{done} of {max(row.total, done)} rows …")

        return say

    def _tell(self, row, verbosity):
        if not verbosity:
            return
        for state, found in importing.sums(row).items():
            if found.rows:
                self.stdout.write(f"{State(state).label}: {found.rows} rows, {found.points} points")
        found = importing.problems(row, SHOWN + 1)
        for number, email, _points, _state, problem, value, advice in found[:SHOWN]:
            self.stdout.write(
                " ".join(filter(None, [f"Row {number}:", email, problem, value and f"({value})", advice]))
            )
        if len(found) > SHOWN:
            self.stdout.write("… and more: the page of this import in admin has the whole report.")
