"""The jobs page, and what the pages of single tables of due work share."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from . import jobs
from .models import DueWork, Job
from .wake import wake

# Rows of the queue are drains and clocks; what is owed stands in tables, and the jobs page tells of them.
admin.site.unregister([Failure, OrmQ, Schedule, Success])

SHOWN = 100


@admin.register(Job)
class JobAdmin(ModelAdmin):
    """For superusers: it shows rows of all stores."""

    def has_module_permission(self, request):
        return request.user.is_active and request.user.is_superuser

    def has_view_permission(self, request, obj=None):
        return self.has_module_permission(request)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.jobs_view), name="work_job_changelist"),
            path("retry/", wrap(require_POST(self.retry_view)), name="work_job_retry"),
        ]

    def jobs_view(self, request):
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        tables = jobs.tables(now)
        chosen = self._chosen(request.GET.get("table"), tables)
        queue, workers = jobs.beats(now)
        context = self.admin_site.each_context(request) | {
            "title": _("Jobs"),
            "tables": tables,
            "chosen": chosen,
            "parked": jobs.parked(chosen.label, SHOWN) if chosen else [],
            "schedules": jobs.schedules(),
            "queue": queue,
            "is_alive": queue and now - queue.beat_at < jobs.SILENT,
            "workers": workers,
            "opts": self.opts,
        }
        return TemplateResponse(request, "work/jobs.html", context)

    def _chosen(self, label, tables):
        """The table whose parked rows are shown: the one asked for, else the first that has any."""
        if label is None:
            return next((table for table in tables if table.parked), None)
        table = next((table for table in tables if table.label == label), None)
        if table is None:
            raise Http404
        return table

    def retry_view(self, request):
        if not self.has_view_permission(request):
            raise PermissionDenied
        label = request.POST.get("table", "")
        # A table's rows are numbered by whole numbers; what else a form may hold names none of them.
        pks = [int(pk) for pk in request.POST.getlist("row") if pk.isdecimal() and len(pk) < 19]
        try:
            count = jobs.retry(label, timezone.now(), None if "all" in request.POST else pks)
        except LookupError:
            raise Http404 from None
        tell_of_retry(request, count)
        return redirect(f"{reverse('admin:work_job_changelist')}?table={label}")


class DueWorkAdmin:
    """What a ModelAdmin of a table of due work inherits besides its own class: state, error, and another try."""

    actions = ["retry_selected"]
    list_filter = ["state"]
    ordering = ["-pk"]
    show_full_result_count = False
    retry_roles: set[str] = set()

    @action(description=gettext_lazy("Try again"), permissions=["retry"])
    def retry_selected(self, request, queryset):
        count = queryset.retry()
        if count:
            wake(self.model)
        tell_of_retry(request, count)

    def has_retry_permission(self, request):
        return self._allowed(request, self.retry_roles, None)

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            DueWork.State.DUE: "info",
            DueWork.State.RUNNING: "info",
            DueWork.State.DONE: "success",
            DueWork.State.PARKED: "danger",
        },
    )
    def state_shown(self, row):
        return row.state, row.get_state_display()

    @display(description=gettext_lazy("error"))
    def error_shown(self, row):
        return row.error.partition("\n")[0][:160]


def tell_of_retry(request, count):
    if count:
        text = ngettext("%(count)d job is tried again now.", "%(count)d jobs are tried again now.", count)
        messages.success(request, text % {"count": count})
    else:
        messages.warning(request, _("Nothing to try again: none of these jobs is parked."))
