"""Points from elsewhere, step by step: upload a file, say what its columns are, see what it would do, import it."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from crm.stores import formats, sheets
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin
from crm.work.models import DueWork

from .. import importing, programs, reading
from ..models import BalanceImport, ImportRow, Program
from ..models.imports import DateOrder

State = ImportRow.State
SHOWN = 100
# People leave the page open; a worker needs seconds for a small file and minutes for a large one.
LOOK_AGAIN = "3"


class UploadForm(forms.ModelForm):
    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
        help_text=_(
            "CSV with a column of e-mail addresses and one of points, at most 20 MB: the export of a points plug-in, or any"
            " list. Nothing is imported before you have seen what it does."
        ),
    )

    class Meta:
        model = BalanceImport
        fields = ["store"]

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file.size > reading.MOST_BYTES:
            raise forms.ValidationError(_("The file is larger than 20 MB. Divide it into several."))
        data = file.read()
        try:
            reading.sample(reading.decode(data))
        except reading.Unreadable as error:
            raise forms.ValidationError(str(error)) from error
        return file.name, data


class ColumnsForm(forms.Form):
    email = forms.TypedChoiceField(label=_("E-mail"), coerce=int, widget=UnfoldAdminSelectWidget)
    points = forms.TypedChoiceField(label=_("Points"), coerce=int, widget=UnfoldAdminSelectWidget)
    expires = forms.TypedChoiceField(
        label=_("Last day of the points"), coerce=int, empty_value=None, required=False, widget=UnfoldAdminSelectWidget
    )
    earned = forms.TypedChoiceField(
        label=_("Day on which they were earned"), coerce=int, empty_value=None, required=False, widget=UnfoldAdminSelectWidget,
        help_text=_("Where each earning expires for itself, it is counted from this day."),
    )  # fmt: skip
    note = forms.TypedChoiceField(
        label=_("Reason"), coerce=int, empty_value=None, required=False, widget=UnfoldAdminSelectWidget,
        help_text=_("The customer reads it in the statement."),
    )  # fmt: skip
    order = forms.ChoiceField(label=_("Days are written as"), choices=DateOrder.choices, widget=UnfoldAdminSelectWidget)
    guests = forms.BooleanField(
        label=_("Make guests of unknown addresses"), required=False, widget=UnfoldBooleanSwitchWidget,
        help_text=_("Off: such rows wait, and are imported by themselves when the customer is there."),
    )  # fmt: skip
    repeats = forms.BooleanField(
        label=_("Rows that another file has brought already count again"), required=False, widget=UnfoldBooleanSwitchWidget,
        help_text=_("Off: the same points for the same customer from another file are left out."),
    )  # fmt: skip

    def __init__(self, *args, names, **kwargs):
        super().__init__(*args, **kwargs)
        choices = list(enumerate(names))
        for name in ("email", "points"):
            self.fields[name].choices = [("", "—"), *choices]
        for name in ("expires", "earned", "note"):
            self.fields[name].choices = [("", _("not in the file")), *choices]

    def clean(self):
        values = super().clean()
        chosen = [values.get(name) for name in ("email", "points", "expires", "earned", "note")]
        chosen = [column for column in chosen if column is not None]
        if len(chosen) != len(set(chosen)):
            raise forms.ValidationError(_("A column can say one thing only."))
        return values

    @property
    def columns(self) -> reading.Columns:
        return reading.Columns(
            **{name: self.cleaned_data[name] for name in ("email", "points", "expires", "earned", "note")}
        )


@admin.register(BalanceImport)
class BalanceImportAdmin(StoreScopedAdmin):
    form = UploadForm
    list_display = ["name", "stage_shown", "imported", "created_at", "created_by", "store"]
    list_select_related = ["store", "created_by"]
    list_filter = [("store", StoreFilter), "stage"]
    ordering = ["-pk"]
    show_full_result_count = False
    view_roles = {Role.OWNER}
    add_roles = {Role.OWNER}

    def get_queryset(self, request):
        return super().get_queryset(request).defer("text")

    def has_delete_permission(self, request, obj=None):
        # What was imported is remembered, so that the same file gives nothing a second time; the rest has a button.
        return False

    def get_fields(self, request, obj=None):
        return ["store", "file"]

    def save_model(self, request, obj, form, change):
        name, data = form.cleaned_data["file"]
        row, new = importing.upload(obj.store, name, data, by=request.user)
        obj.pk, obj.__dict__ = row.pk, row.__dict__
        if not new:
            messages.warning(request, _("This file was uploaded before: this is what became of it."))

    def response_add(self, request, obj, post_url_continue=None):
        return redirect("admin:loyalty_balanceimport_change", obj.pk)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if request.GET.get("format") == "csv":
            head = [_("Row"), _("E-mail"), _("Points"), _("State"), _("Problem"), _("In the file"), _("What to do")]
            return sheets.download([head, *importing.report(row)], f"points-import-{row.pk}")
        form = self._columns_form(request, row)
        if request.method == "POST":
            return self._do(request, row, form)
        return self._page(request, row, form)

    def _columns_form(self, request, row):
        if row.stage == BalanceImport.Stage.IMPORTED or row.is_busy:
            return None
        sample = reading.sample(row.text)
        initial = row.columns | {"order": row.date_order, "guests": row.guests, "repeats": row.repeats}
        data = request.POST if request.method == "POST" else None
        return ColumnsForm(data, initial=initial, names=names_of(sample))

    def _do(self, request, row, form):
        page = redirect("admin:loyalty_balanceimport_change", row.pk)
        wanted = request.POST.get("do")
        try:
            if wanted == "check" and form is not None:
                if not form.is_valid():
                    return self._page(request, row, form)
                values = form.cleaned_data
                importing.choose(
                    row, form.columns, order=values["order"], guests=values["guests"], repeats=values["repeats"], by=request.user
                )  # fmt: skip
                importing.ask(row, BalanceImport.Step.CHECK)
            elif wanted == "import":
                importing.ask(row, BalanceImport.Step.POST, by=request.user)
                self.log_change(request, row, str(_("Import asked for")))
            elif wanted == "discard":
                importing.discard(row)
                messages.success(request, _("The file is forgotten; nothing of it was imported."))
                return redirect("admin:loyalty_balanceimport_changelist")
        except importing.NotYours as error:
            messages.error(request, str(error))
        except importing.NotNow:
            messages.error(request, _("That is not possible now: the import is at work, or was finished."))
        return page

    def _page(self, request, row, form):
        sample = reading.sample(row.text) if form else []
        found = importing.sums(row)
        # Bound with errors, it is shown again; else the file's columns are asked for until they are chosen.
        context = self.admin_site.each_context(request) | {
            "title": row.name,
            "opts": self.opts,
            "row": row,
            "form": form,
            "stage": row.stage,
            "heading": names_of(sample),
            "sample": [cells for cells in sample if not (cells is sample[0] and reading.has_heading(cells))][:5],
            "sums": [(State(state).label, formats.number(s.rows), formats.number(s.points)) for state, s in found.items() if s.rows],
            "ready_rows": found[State.READY].rows,
            "ready": formats.number(found[State.READY].rows),
            "ready_points": formats.number(found[State.READY].points),
            "can_import": row.stage == BalanceImport.Stage.CHECKED and found[State.READY].rows and not row.is_busy,
            "needs_another": importing.needs_another(row, request.user, timezone.now()),
            "can_retry": row.stage == BalanceImport.Stage.IMPORTED and found[State.WAITING].rows and not row.is_busy,
            "can_discard": form is not None and not found[State.POSTED].rows,
            "has_parked": row.state == DueWork.State.PARKED,
            "wrong": found[State.WRONG].rows,
            "problems": [] if row.is_busy else importing.problems(row, SHOWN),
            "shown": SHOWN,
            "never_expires": self._never_expires(row),
        }  # fmt: skip
        answer = render(request, "admin/loyalty/balanceimport/import.html", context)
        if row.is_busy:
            answer.headers["Refresh"] = LOOK_AGAIN
        return answer

    def _never_expires(self, row):
        program = programs.of(row.store)
        return "expires" in row.columns and (program is None or program.expiry == Program.Expiry.NEVER)

    @display(description=_("Stage"), label={"uploaded": "warning", "checked": "info", "imported": "success"})
    def stage_shown(self, row):
        return row.stage, row.get_stage_display()

    @display(description=_("Rows"))
    def imported(self, row):
        return formats.number(row.total)


def names_of(sample) -> list[str]:
    """The heading of a file, or what stands first in each column."""
    if not sample:
        return []
    if reading.has_heading(sample[0]):
        return [name or f"({number})" for number, name in enumerate(sample[0], 1)]
    return [f"{number}: {cell}" for number, cell in enumerate(sample[0], 1)]
