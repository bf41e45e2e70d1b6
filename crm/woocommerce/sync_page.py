"""The connections in admin, and each one's sync page: how up to date the mirror is, what went wrong, and what can be done about it."""

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.decorators import action, display

from crm.stores import formats
from crm.stores.models import Membership
from crm.stores.staff import ReadOnlyAdmin

from . import connect, deliveries, identity, overview, sync, tasks
from .models import Connection, KeptAside, WebhookDelivery

# The buttons of the page.
DOINGS = {"check", "sync", "compare", "import", "repair", "accept", "retry", "dismiss", "replay"}
OWNER = {Membership.Role.OWNER}


def dismissed(count: int) -> str:
    return ngettext("%(count)d object is dismissed.", "%(count)d objects are dismissed.", count) % {"count": count}


def not_tried(count: int) -> str:
    return ngettext(
        "%(count)d was not tried: it comes with the next sync, or when you press again.",
        "%(count)d were not tried: they come with the next syncs, or when you press again.",
        count,
    ) % {"count": count}


def bar(day: overview.Day, most: int) -> dict:
    """A bar of the drift's chart, which is ten high; a day that found nothing has a low one, a day without a comparison none."""
    height = 10 * day.differing / most if day.differing else 0.3 if day.compared else 0
    label = formats.day(day.day)
    said = (
        _("%(day)s: %(count)s differed, %(healed)s put right")
        % {"day": label, "count": formats.number(day.differing), "healed": formats.number(day.healed)}
        if day.compared
        else _("%(day)s: not compared") % {"day": label}
    )
    return {
        "kind": "sync-some" if day.differing else "sync-none",
        "y": f"{10 - height:.2f}",
        "height": f"{height:.2f}",
        "label": label,
        "title": said,
    }


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """How each shop is reached and how up to date its mirror is. What asks the shop is done by a worker, and its result shows here."""

    store_path = "pk"
    view_roles = sync_roles = OWNER
    list_display = ["name", "url", "check_shown", "checked_at", "orders_until", "aside_shown"]
    actions = ["check_connection", "sync_now", "compare_now"]

    def get_queryset(self, request):
        aside = Count("kept_aside_rows", filter=Q(kept_aside_rows__resolved_at=None), distinct=True)
        queryset = super().get_queryset(request).connected().annotate(aside=aside)
        return queryset.select_related("connection_check").prefetch_related("sync_states")

    def has_sync_permission(self, request, obj=None):
        # Not a change of the mirror: what the clock does anyway, only now.
        return super()._allowed(request, self.sync_roles, obj)

    @action(description=_("Check the connection"), permissions=["sync"])
    def check_connection(self, request, queryset):
        self._each(request, queryset, self.do_check)

    @action(description=_("Sync what changed now"), permissions=["sync"])
    def sync_now(self, request, queryset):
        self._each(request, queryset, self.do_sync)

    @action(description=_("Compare with the shop now"), permissions=["sync"])
    def compare_now(self, request, queryset):
        self._each(request, queryset, self.do_compare)

    def _each(self, request, stores, do):
        told = [do(store, request) for store in stores]
        if told:
            messages.success(request, told[0])

    # --- the page ---

    def get_urls(self):
        do = self.admin_site.admin_view(require_POST(self.do_view))
        return [path("<int:pk>/do/", do, name="woocommerce_connection_do"), *super().get_urls()]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        store = self.get_object(request, unquote(object_id))
        if store is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method != "GET" or not self.has_view_permission(request, store):
            raise PermissionDenied
        found = overview.look(store, timezone.now())
        most = max(day.differing for day in found.by_day)
        context = self.admin_site.each_context(request) | {
            "title": _("Sync"),
            "subtitle": store.name,
            "opts": self.opts,
            "original": store,
            "zone": store.timezone,
            "sync": found,
            "bars": [bar(day, most) for day in found.by_day],
            "most": most,
        }
        return TemplateResponse(request, "woocommerce/sync_page.html", context)

    def do_view(self, request, pk):
        """One of the buttons of the page: `do` names it, `row` what it is about."""
        store = self.get_queryset(request).filter(pk=pk).first()
        if store is None:
            raise Http404
        if not self.has_sync_permission(request, store):
            raise PermissionDenied
        name = request.POST.get("do")
        if name not in DOINGS:
            raise Http404
        messages.success(request, getattr(self, f"do_{name}")(store, request))
        return redirect(reverse("admin:woocommerce_connection_change", args=[pk]))

    def do_check(self, store, request):
        connect.ask_for_check(store, timezone.now())
        tasks.enqueue_check(store.pk)
        return _("The check runs; its result shows here in a moment.")

    def do_sync(self, store, request):
        tasks.ask_for_sync(store)
        return _("The sync runs; its progress shows on the connection's page.")

    def do_compare(self, store, request):
        tasks.ask_for_sync(store, sync.Mode.COMPARE)
        return _("The comparison runs; its progress shows on the connection's page.")

    def do_import(self, store, request):
        tasks.ask_for_sync(store, sync.Mode.FULL)
        return _("The full import runs; its progress shows on the connection's page.")

    def do_repair(self, store, request):
        tasks.enqueue_repair(store.pk)
        return _("The webhooks are looked after; how they are shows here in a moment.")

    def do_accept(self, store, request):
        identity.accept(store)
        tasks.ask_for_sync(store, sync.Mode.COMPARE)
        return _("The shop is accepted, and everything is compared with it.")

    def do_retry(self, store, request):
        waiting = KeptAside.objects.for_store(store).unresolved()
        rows = waiting.filter(pk__in=self._numbers(request)) if "row" in request.POST else waiting
        count = rows.count()
        tried = sync.retry_kept_aside(store, timezone.now(), rows)
        left = rows.count()
        mirrored = ngettext("%(count)d object is mirrored now.", "%(count)d objects are mirrored now.", count - left)
        stays = ngettext("%(count)d object stays aside.", "%(count)d objects stay aside.", left)
        text = f"{mirrored % {'count': count - left}} {stays % {'count': left}}"
        return f"{text} {not_tried(count - tried)}" if tried < count else text

    def do_dismiss(self, store, request):
        count = KeptAside.objects.for_store(store).filter(pk__in=self._numbers(request)).dismiss(timezone.now())
        return dismissed(count)

    def do_replay(self, store, request):
        rows = WebhookDelivery.objects.filter(store=store, pk__in=self._numbers(request))
        count = deliveries.replay(rows, timezone.now())
        text = ngettext("%(count)d delivery is applied again.", "%(count)d deliveries are applied again.", count)
        return text % {"count": count}

    def _numbers(self, request):
        return [int(row) for row in request.POST.getlist("row") if row.isdecimal() and len(row) < 19]

    # --- the list ---

    @display(description=_("connection"), label={"ok": "success", "bad": "danger", "asked": "info", "": "warning"})
    def check_shown(self, store):
        if store.halted:
            return "bad", _("stopped")
        check = self._check(store)
        if check is None:
            return "", _("not checked yet")
        if check.is_asked:
            return "asked", _("is being checked")
        return ("ok", _("works")) if check.is_ok else ("bad", _("does not work"))

    @display(description=_("checked"))
    def checked_at(self, store):
        check = self._check(store)
        return formats.moment(check.checked_at, store.timezone) if check and check.checked_at else "–"

    @display(description=_("orders up to date until"))
    def orders_until(self, store):
        state = next((state for state in store.sync_states.all() if state.resource == "orders"), None)
        if state and state.error:
            return state.error
        return formats.moment(state.cursor, store.timezone) if state and state.cursor else "–"

    @display(description=_("kept aside"))
    def aside_shown(self, store):
        return store.aside or ""

    def _check(self, store):
        return getattr(store, "connection_check", None)
