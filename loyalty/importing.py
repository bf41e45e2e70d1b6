"""Points that customers bring along from another programme: a file is uploaded, tried, and imported row by row.

Each row is posted once: it is marked in the transaction that posts it, its cause names the file and the row, and a file that was there
before is the same import. So the work may be killed anywhere and be begun again. `docs/loyalty-merchant.md` has the why.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.orders.locking import lock_mirror
from crm.orders.models import Customer
from crm.stores.models import Store, User
from crm.work import wake
from crm.work.batches import batched
from crm.work.models import DueWork

from . import expiry, ledger, members, programs, reading
from .days import end_of, months_later
from .models import BalanceImport, ImportRow, Program
from .models.imports import DateOrder, Problem
from .posting import Kind, Posting
from .reading import Columns, Wrong

Stage = BalanceImport.Stage
State = ImportRow.State
# Rows in one transaction: what a process that is killed has to do again.
BATCH = 500
CHECKED_AT_ONCE = 2000
# An upload that nobody imported is full of addresses and of no use.
FORGET = timedelta(days=30)
LEFT_OUT = {Problem.ZERO, Problem.EXPIRED, Problem.TWICE, Problem.AGAIN}


class NotNow(Exception):
    """The import is at work, or was finished, and can't be changed."""


class NotYours(Exception):
    """It takes another person; the message is for people."""


@dataclass
class Sums:
    rows: int = 0
    points: int = 0


def upload(store: Store, name: str, data: bytes, *, by: User | None = None) -> tuple[BalanceImport, bool]:
    """Keep a file, with its columns as far as they can be guessed; answers the import and whether the file is new.

    Raises reading.Unreadable.
    """
    text = reading.decode(data)
    sample = reading.sample(text)
    heading = sample[0] if reading.has_heading(sample[0]) else ["" for _cell in sample[0]]
    body = sample[1:] if reading.has_heading(sample[0]) else sample
    columns = reading.guess(heading, body)
    days = [columns[what] for what in ("expires", "earned") if what in columns]
    return BalanceImport.objects.get_or_create(
        store=store,
        digest=reading.digest_of(text),
        defaults={
            "name": name[:200],
            "text": text,
            "columns": columns,
            "date_order": reading.guess_order([cells[n] for cells in body for n in days if n < len(cells)]),
            "state": DueWork.State.DONE,
            "created_by": by,
        },
    )


def choose(
    row: BalanceImport,
    columns: Columns,
    *,
    order: str = DateOrder.ISO,
    guests: bool = False,
    repeats: bool = False,
    by: User | None = None,
) -> None:
    """Say what the file's columns are. Raises NotNow, and NotYours where another person is to look at what somebody has uploaded."""
    if by and row.created_by_id not in (None, by.pk) and _limit(row.store) is not None:
        raise NotYours(_("Who uploaded the file says what its columns are. Forget it here, and upload it yourself."))
    chosen = {what: n for what, n in asdict(columns).items() if n is not None}
    changed = _idle(row).exclude(stage=Stage.IMPORTED).exclude(rows__state=State.POSTED)
    if not changed.update(
        columns=chosen, date_order=order, guests=guests, repeats=repeats, stage=Stage.UPLOADED, problem=""
    ):
        raise NotNow
    row.refresh_from_db()


def ask(row: BalanceImport, step: str, *, by: User | None = None) -> None:
    """Have a file tried, or imported once it was tried (again: what waits for customers). Raises NotNow and NotYours."""
    allowed = [Stage.UPLOADED, Stage.CHECKED] if step == BalanceImport.Step.CHECK else [Stage.CHECKED, Stage.IMPORTED]
    with transaction.atomic():
        if by and step == BalanceImport.Step.POST:
            # Two files of one person at once must not both find room under the limit.
            User._base_manager.select_for_update(no_key=True).get(pk=by.pk)
            # It may have been tried since it was read.
            row.refresh_from_db(fields=["stage"])
            if needs_another(row, by, timezone.now()):
                raise NotYours(_("It gives more than one person may give in a day: another owner has to import it."))
        asked = _idle(row).filter(stage__in=allowed)
        if not asked.update(
            step=step, state=DueWork.State.DUE, due_at=timezone.now(), attempts=0, progress=0, error=""
        ):
            raise NotNow
        wake.wake(BalanceImport)


def needs_another(row: BalanceImport, by: User, at: datetime) -> bool:
    """Whether this person, who uploaded the file, can't import it: with their other files of a day it gives more than one may by hand."""
    limit = _limit(row.store)
    if limit is None or by.pk != row.created_by_id or row.stage != Stage.CHECKED:
        return False
    asked = BalanceImport.objects.for_store(row.store).filter(created_by=by, step=BalanceImport.Step.POST)
    files = Q(of=row) | Q(of__in=asked.filter(due_at__gt=at - timedelta(days=1)))
    rows = ImportRow.objects.filter(files, state__in=[State.READY, State.WAITING, State.POSTED])
    return (rows.aggregate(points=Sum("points"))["points"] or 0) > limit


def _limit(store: Store) -> int | None:
    program = programs.of(store)
    return program.adjust_limit if program else None


def _idle(row):
    return BalanceImport.objects.filter(pk=row.pk).exclude(state__in=[DueWork.State.DUE, DueWork.State.RUNNING])


def perform(row: BalanceImport, at: datetime) -> None:
    """Take the step that was asked for."""
    if row.step == BalanceImport.Step.CHECK:
        check(row, at)
    elif row.step == BalanceImport.Step.POST:
        find_waiting(row)
        post(row, at)


def check(row: BalanceImport, at: datetime, progress: Callable[[int], None] = lambda done: None) -> None:
    """Read the file by the chosen columns and keep what it would do, row by row; posts nothing.

    A file that can't be read as a whole says why in `problem`.
    """
    if row.stage == Stage.IMPORTED or row.rows.filter(state=State.POSTED).exists():
        return
    row.rows.all().delete()
    done, problem = 0, ""
    try:
        for batch in batched(_rows(row, at), CHECKED_AT_ONCE):
            done = _keep(row, batch, done)
            progress(done)
    except reading.Unreadable as error:
        row.rows.all().delete()
        done, problem = 0, str(error)
    _compare(row)
    stage = Stage.UPLOADED if problem else Stage.CHECKED
    BalanceImport.objects.filter(pk=row.pk).update(stage=stage, problem=problem, total=done, progress=done)
    row.refresh_from_db()
    progress(done)


def _rows(row, at) -> Iterator[ImportRow]:
    store = row.store
    program = programs.of(store)
    today = at.astimezone(store.zone).date()
    seen: dict[tuple, int] = {}
    for found in reading.rows(row.text, Columns(**row.columns), row.date_order):
        if isinstance(found, reading.Row):
            idle = _idle_because(found, seen, today)
            if idle is None:
                yield ImportRow(
                    of=row, number=found.number, email=found.email, points=found.points, earned_on=found.earned,
                    note=found.note, expires_at=_expires_at(found, program, store, at), state=State.READY,
                )  # fmt: skip
                continue
            found = found.number, found.email, idle
        number, email, why = found
        state = State.LEFT_OUT if why.problem in LEFT_OUT else State.WRONG
        yield ImportRow(of=row, number=number, email=email, state=state, problem=why.problem, value=why.value)


def _idle_because(found: reading.Row, seen: dict[tuple, int], today: date) -> Wrong | None:
    """Why a row that can be read gives nothing."""
    if found.expires and found.expires < today:
        return Wrong(Problem.EXPIRED, str(found.expires))
    key = (found.email, found.points, found.expires, found.earned, found.note)
    first = seen.setdefault(key, found.number)
    return None if first == found.number else Wrong(Problem.TWICE, str(first))


def _expires_at(found: reading.Row, program: Program | None, store: Store, at: datetime) -> datetime | None:
    """The end of the day that the file says; else, where each earning expires for itself, by the day it was earned."""
    if found.expires:
        return end_of(store, found.expires)
    if found.earned is None or program is None or program.expiry != Program.Expiry.LOT:
        return None
    # By the rule it may be over: nobody loses at once what they were just given.
    return max(end_of(store, months_later(found.earned, program.expiry_months)), at + expiry.NEW_RULE)


def _keep(row, batch: list[ImportRow], done: int) -> int:
    ImportRow.objects.bulk_create(batch)
    done += len(batch)
    BalanceImport.objects.filter(pk=row.pk).update(total=done, progress=done)
    return done


def _compare(row: BalanceImport) -> None:
    """Find rows of unknown people, and those that another file has brought."""
    ready = row.rows.filter(state=State.READY)
    if not row.repeats:
        others = ImportRow.objects.filter(of__store=row.store_id, state=State.POSTED).exclude(of=row)
        known = others.filter(email=OuterRef("email"), points=OuterRef("points"))
        ready.filter(Exists(known)).update(state=State.LEFT_OUT, problem=Problem.AGAIN)
    state = State.READY if row.guests else State.WAITING
    ready.exclude(Exists(_people(row.store).filter(email=OuterRef("email")))).update(
        state=state, problem=Problem.UNKNOWN
    )


def _people(store: Store):
    # An account of the shop may have no address; it is not the one whose row was erased.
    return Customer.objects.for_store(store).filter(deleted_at=None, erased_at=None).exclude(email="")


def post(row: BalanceImport, at: datetime, progress: Callable[[int], None] = lambda done: None) -> None:
    """Import the rows that are ready; what was imported before stays as it is."""
    if row.stage == Stage.UPLOADED:
        return
    done = 0
    while count := _post_batch(row, at):
        done += count
        progress(done)
    program = programs.of(row.store)
    if program and program.enrolment == Program.Enrolment.JOIN:
        # Who took part in the old programme takes part in this one.
        members.keep_holders(row.store, at)
    BalanceImport.objects.filter(pk=row.pk).update(stage=Stage.IMPORTED, text="")
    row.refresh_from_db()


@transaction.atomic
def _post_batch(row: BalanceImport, at: datetime) -> int:
    store = row.store
    batch = list(row.rows.filter(state=State.READY).order_by("number").select_for_update()[:BATCH])
    if not batch:
        return 0
    emails = {ready.email for ready in batch}
    owners = _owners(store, emails)
    if row.guests and (unknown := emails - owners.keys()):
        lock_mirror(store)
        guests = [Customer(store=store, email=email) for email in sorted(unknown)]
        Customer.objects.bulk_create(guests, ignore_conflicts=True)
        owners = _owners(store, emails)
    found = [ready for ready in batch if ready.email in owners]
    ledger.open_accounts(store, owners.values())
    accounts = ledger.lock(store, owners.values())
    postings = [_posting(row, ready, accounts[owners[ready.email]].pk) for ready in found]
    ledger.post_many(postings, announce=False, at=at)
    ImportRow.objects.filter(pk__in=[ready.pk for ready in found]).update(state=State.POSTED, problem="")
    lost = [ready.pk for ready in batch if ready.email not in owners]
    ImportRow.objects.filter(pk__in=lost).update(state=State.WAITING, problem=Problem.UNKNOWN)
    BalanceImport.objects.filter(pk=row.pk).update(progress=F("progress") + len(batch))
    return len(batch)


def _posting(row, ready: ImportRow, account_id: int) -> Posting:
    rule = {"why": "import", "file": row.name, "row": ready.number}
    if ready.earned_on:
        rule["earned"] = str(ready.earned_on)
    return Posting(
        account_id, Kind.ADJUST, ready.points or 0, f"import:{row.digest}:{ready.number}", rule=rule, note=ready.note,
        expires_at=ready.expires_at, created_by_id=row.created_by_id,
    )  # fmt: skip


def _owners(store: Store, emails: Iterable[str]) -> dict[str, int]:
    """Who gets the points of each address: the account in the shop before a guest, and whom the guest was joined to."""
    people = (
        _people(store).filter(email__in=emails).order_by("email", F("joined_to").asc(nulls_first=True), "woo_id", "pk")
    )
    found: dict[str, int] = {}
    for email, pk, joined_to in people.values_list("email", "pk", "joined_to"):
        found.setdefault(email, joined_to or pk)
    return found


def find_waiting(row: BalanceImport) -> int:
    """Make those ready who waited for a customer that is there now; returns how many."""
    waiting = row.rows.filter(state=State.WAITING)
    known = Exists(_people(row.store).filter(email=OuterRef("email")))
    return waiting.filter(known).update(state=State.READY, problem="")


def nightly(store: Store, at: datetime) -> None:
    """Import what waited for customers who have come since; forget uploads that nobody imported."""
    imports = BalanceImport.objects.for_store(store)
    for row in imports.filter(stage=Stage.IMPORTED, rows__state=State.WAITING).select_related("store").distinct():
        if find_waiting(row):
            post(row, at)
    imports.filter(created_at__lt=at - FORGET).exclude(stage=Stage.IMPORTED).exclude(rows__state=State.POSTED).delete()


def discard(row: BalanceImport) -> None:
    """Forget an upload. Raises NotNow if any of it was imported."""
    changed = _idle(row).exclude(stage=Stage.IMPORTED).exclude(rows__state=State.POSTED)
    if not changed.exists():
        raise NotNow
    row.delete()


def sums(row: BalanceImport) -> dict[str, Sums]:
    """Rows and points by state."""
    found = {state: Sums() for state in State.values}
    for state, rows, points in row.rows.values_list("state").annotate(Count("pk"), Sum("points")).order_by():
        found[state] = Sums(rows, points or 0)
    return found


def report(row: BalanceImport) -> Iterator[list[object]]:
    """Row by row: its number, address, points, state, what is the matter, what stands there, what to do about it."""
    return _said(row.rows.order_by("number").iterator(chunk_size=CHECKED_AT_ONCE))


def problems(row: BalanceImport, limit: int) -> list[list[object]]:
    """The first rows of the report that have a problem."""
    return list(_said(row.rows.exclude(problem="").order_by("number")[:limit]))


def _said(rows: Iterable[ImportRow]) -> Iterator[list[object]]:
    for found in rows:
        problem = Problem(found.problem) if found.problem else None
        yield [
            found.number, found.email, found.points, found.get_state_display(), str(problem.label) if problem else "", found.value,
            str(reading.ADVICE[problem]) if problem else "",
        ]  # fmt: skip
