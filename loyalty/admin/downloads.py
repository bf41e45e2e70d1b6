"""Lists of the books for spreadsheets: what staff did and what moved, as the list is filtered."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from crm.stores import sheets
from crm.stores.models import Store
from crm.stores.staff import Role, has_role

from .. import units
from ..models import Account

# The rows are fetched in pieces, while the file is sent.
AT_ONCE = 500


class Downloads:
    """A list that owners can have as CSV. `download_columns` are headings, each with what a row has in it."""

    list_after_template = "admin/loyalty/download.html"
    download_columns: Iterable[tuple[str, Callable]] = ()
    download_select_related: tuple[str, ...] = ()
    download_roles = {Role.OWNER}

    def changelist_view(self, request, extra_context=None):
        may = has_role(request.user, self.download_roles)
        return super().changelist_view(request, (extra_context or {}) | {"may_download": may})

    def get_urls(self):
        view = self.admin_site.admin_view(require_safe(self.download))
        name = f"{self.opts.app_label}_{self.opts.model_name}_download"
        return [path("download/", view, name=name), *super().get_urls()]

    def download(self, request):
        """All pages of the list, of the stores that one owns."""
        if not has_role(request.user, self.download_roles):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        rows = rows.filter(store__in=Store.objects.for_user(request.user, self.download_roles))
        rows = rows.select_related("store", "account__customer", *self.download_select_related)
        return sheets.download(self._table(rows), self.opts.model_name)

    def _table(self, rows):
        yield [str(heading) for heading, _cell in self.download_columns]
        for row in rows.iterator(chunk_size=AT_ONCE):
            yield [cell(row) for _heading, cell in self.download_columns]


def when(at: datetime | None, row) -> str:
    """By the store's clock, as spreadsheets read it."""
    return "" if at is None else at.astimezone(row.store.zone).isoformat(" ", "seconds")


def amount(number: int, account: Account):
    """Points, or money with the decimals of its currency; `unit` says which."""
    return units.money(number, account.unit) if account.is_credit else number


def unit(row) -> str:
    return row.account.unit if row.account.is_credit else "points"


# Whose row it is.
OWNER = [
    (_("Store"), lambda row: row.store.name),
    (_("Customer"), lambda row: str(row.account.customer)),
    (_("E-mail"), lambda row: row.account.customer.email),
]
