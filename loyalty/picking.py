"""Which movements of a statement somebody asks for: of a kind, and of a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.stores.models import Store

from .models import LedgerEntry

Kind = LedgerEntry.Kind
Entries = TypeVar("Entries", bound=QuerySet)
# What became usable belongs to what was earned, and what a code gave back to what was spent on it.
KINDS: dict[str, tuple[Kind, ...]] = {
    "earned": (Kind.EARN, Kind.RELEASE),
    "spent": (Kind.REDEEM, Kind.RETURN),
    "expired": (Kind.EXPIRE,),
    "corrected": (Kind.REVERSE, Kind.ADJUST),
}
LABELS = {
    "earned": gettext_lazy("Earned"),
    "spent": gettext_lazy("Spent"),
    "expired": gettext_lazy("Expired"),
    "corrected": gettext_lazy("Corrected"),
}
# Days until now.
LATELY = ("30", "90", "365")
YEARS = 3


@dataclass(frozen=True)
class Pick:
    """`kind` is one of KINDS, `period` one of LATELY or a year of the store's calendar; empty for all."""

    store: Store
    at: datetime
    kind: str = ""
    period: str = ""

    def __bool__(self) -> bool:
        return bool(self.kind or self.period)

    def of(self, entries: Entries) -> Entries:
        if self.kind:
            entries = entries.filter(kind__in=KINDS[self.kind])
        if self.period in LATELY:
            entries = entries.filter(created_at__gte=self.at - timedelta(days=int(self.period)))
        elif self.period:
            year = datetime(int(self.period), 1, 1, tzinfo=self.store.zone)
            entries = entries.filter(created_at__gte=year, created_at__lt=year.replace(year=year.year + 1))
        return entries

    @property
    def query(self) -> str:
        """`kind=spent&period=2026`, for links that keep to it."""
        return urlencode({name: value for name, value in [("kind", self.kind), ("period", self.period)] if value})

    @property
    def words(self) -> str:
        """`Spent, 2026`."""
        said = [str(LABELS[self.kind])] if self.kind else []
        return ", ".join(said + [label for value, label in self.periods if value == self.period and value])

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [("", _("All")), *((kind, str(label)) for kind, label in LABELS.items())]

    @property
    def periods(self) -> list[tuple[str, str]]:
        lately = [_("The last 30 days"), _("The last 90 days"), _("The last 365 days")]
        return [("", _("All the time")), *zip(LATELY, lately, strict=True), *((year, year) for year in self._years())]

    def _years(self) -> Iterator[str]:
        this_year = self.at.astimezone(self.store.zone).year
        years = {this_year - ago for ago in range(YEARS)}
        if self.period and self.period not in LATELY:
            years.add(int(self.period))
        yield from map(str, sorted(years, reverse=True))


def read(store: Store, at: datetime, kind: str, period: str) -> Pick:
    """What was asked for by these words; those that mean nothing pick nothing out."""
    is_year = len(period) == 4 and period.isascii() and period.isdigit() and period[0] in "12"
    return Pick(store, at, kind if kind in KINDS else "", period if period in LATELY or is_year else "")
