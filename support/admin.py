"""The staff's door: the queue of tickets, and the page where one is answered."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Q
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from crm.stores.models import Membership, Store, User
from crm.stores.staff import StoreFilter, StoreScopedAdmin

from . import clock, desk, tickets
from .forms import CallForm, DeskForm
from .models import Ticket

Role = Membership.Role
TONES = {"good": "success", "warn": "warning", "bad": "danger", "plain": "info"}


class ViewFilter(admin.SimpleListFilter):
    """The tabs above the list."""

    title = gettext_lazy("view")
    parameter_name = "view"
    # Shown as tabs, not among the filters.
    template = "support/desk/nothing.html"

    def lookups(self, request, model_admin):
        return list(desk.VIEWS.items())

    def queryset(self, request, queryset):
        return desk.view(queryset, self.value() or "active", request.user, timezone.now())


@admin.register(Ticket)
class TicketAdmin(StoreScopedAdmin):
    change_roles = add_roles = tickets.MAY_ANSWER
    # Of the page where staff write down a call; a ticket that is there has a page of its own.
    form = CallForm
    fields = ["store", "channel", "email", "order_number", "type", "priority", "subject", "text"]
    list_before_template = "support/desk/tabs.html"
    list_display = ["subject_shown", "person_shown", "order_shown", "clock_shown", "type", "assignee_shown", "store"]
    list_select_related = ["customer", "order", "assignee", "store"]
    list_filter = [
        ViewFilter,
        ("store", StoreFilter),
        "type",
        "priority",
        "channel",
        ("created_at", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    search_fields = [
        "subject",
        "messages__body",
        "email",
        "customer__email",
        "customer__first_name",
        "customer__last_name",
    ]
    search_help_text = gettext_lazy("Subject, words, name, e-mail, number of the ticket or of the order")
    ordering = [F("waiting_since").asc(nulls_last=True), "-last_message_at", "-pk"]
    list_per_page = 50
    show_full_result_count = False
    list_fullwidth = True
    actions = ["take_selected", "resolve_selected"]

    # --- the queue ---

    def get_queryset(self, request):
        return super().get_queryset(request).with_first_line()

    def get_list_display(self, request):
        """Without the store for whom has one only."""
        stores = Store.objects.for_user(request.user)[:2]
        return self.list_display if len(stores) > 1 else self.list_display[:-1]

    def get_search_results(self, request, queryset, search_term):
        """`#1042` and `1042` are numbers: of a ticket, or of the order it is about."""
        number = search_term.strip().removeprefix("#")
        if number.isdecimal() and len(number) < 10:
            return queryset.filter(Q(number=int(number)) | Q(order__number=number)), False
        by_order = queryset.filter(order__number=number) if number else queryset.none()
        if by_order.exists():
            return by_order, False
        return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request, extra_context=None):
        chosen = request.GET.get("view", "active")
        stores = StoreScopedAdmin.get_queryset(self, request)
        tabs = desk.tabs(stores, chosen, request.user, timezone.now())
        title = {"title": _("Tickets"), "desk_tabs": tabs}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @display(description=gettext_lazy("Ticket"), ordering="number", header=True)
    def subject_shown(self, ticket):
        return [f"#{ticket.number} {ticket.subject}", " ".join((ticket.excerpt or "").split())[:90]]

    @display(description=gettext_lazy("Customer"), header=True)
    def person_shown(self, ticket):
        return [ticket.person, ticket.email if ticket.email != ticket.person else ticket.get_channel_display()]

    @display(description=gettext_lazy("Order"), header=True)
    def order_shown(self, ticket):
        return [f"#{ticket.order.number}", ticket.order.status] if ticket.order else ["–", ""]

    @display(description=gettext_lazy("Answer"), ordering="waiting_since", label=TONES)
    def clock_shown(self, ticket):
        chip = clock.chip(ticket, timezone.now())
        return chip.tone, chip.text

    @display(description=gettext_lazy("Assignee"), ordering="assignee__first_name")
    def assignee_shown(self, ticket):
        return (ticket.assignee.get_short_name() or ticket.assignee.email) if ticket.assignee else "–"

    @action(description=gettext_lazy("Assign to me"), permissions=["change"])
    def take_selected(self, request, queryset):
        self._each(request, queryset, lambda ticket: tickets.assign(ticket, request.user), _("Assignee: me"))

    @action(description=gettext_lazy("Resolve"), permissions=["change"])
    def resolve_selected(self, request, queryset):
        self._each(request, queryset, tickets.resolve, _("Status: Resolved"))

    def _each(self, request, queryset, change, words):
        done = 0
        for ticket in queryset.select_related("store"):
            # Of several stores, one may be looked at only.
            if self.has_change_permission(request, ticket):
                change(ticket)
                self.log_change(request, ticket, words)
                done += 1
        self.message_user(request, ngettext("%d ticket changed.", "%d tickets changed.", done) % done)

    # --- a ticket that staff open ---

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "store" and not request.user.is_superuser:
            kwargs["queryset"] = Store.objects.for_user(request.user, tickets.MAY_ANSWER)
        return super(StoreScopedAdmin, self).formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request):
        stores = Store.objects.for_user(request.user)[:2]
        store = {"store": stores[0].pk} if len(stores) == 1 else {}
        return {"channel": Ticket.Channel.PHONE, **store, **super().get_changeform_initial_data(request)}

    def add_view(self, request, form_url="", extra_context=None):
        one_way_on = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**one_way_on, **(extra_context or {})})

    def save_model(self, request, obj, form, change):
        wanted = ["subject", "text", "channel", "type", "priority", "customer", "order", "email"]
        ticket = tickets.open(obj.store, **{name: form.cleaned_data[name] for name in wanted})
        tickets.assign(ticket, request.user)
        obj.pk, obj.number = ticket.pk, ticket.number

    def response_add(self, request, obj, post_url_continue=None):
        return redirect("admin:support_ticket_change", obj.pk)

    # --- the ticket page ---

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/answer/", view(require_POST(self.answer)), name="support_ticket_answer"),
            path("<int:pk>/set/", view(require_POST(self.set)), name="support_ticket_set"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        ticket = self._ticket(request, object_id)
        if not self.has_view_or_change_permission(request, ticket):
            raise PermissionDenied
        return self._page(request, ticket)

    def answer(self, request, pk):
        """Send a reply or keep a note, and move the ticket as the button says. A refused draft stays on the page."""
        ticket = self._ticket(request, pk, change=True)
        form = DeskForm(request.POST)
        if not form.is_valid():
            return self._page(request, ticket, form, status=400)
        words = form.cleaned_data
        cause = form.cause(request.user.pk)
        try:
            with transaction.atomic():
                if words["kind"] == DeskForm.NOTE:
                    tickets.note(ticket, request.user, words["text"], cause=cause)
                else:
                    tickets.reply_from_staff(ticket, request.user, words["text"], seen=words["seen"], cause=cause)
                if words["then"] == DeskForm.WAIT:
                    tickets.wait_for_customer(ticket)
                elif words["then"] == DeskForm.RESOLVE:
                    tickets.resolve(ticket)
        except tickets.NewerMessages as error:
            form.add_error(
                None,
                ngettext(
                    "%d new message since you opened this page. Read it, then send: your draft is kept.",
                    "%d new messages since you opened this page. Read them, then send: your draft is kept.",
                    error.count,
                )
                % error.count,
            )
            return self._page(request, ticket, form, status=409)
        return self._back(request, ticket)

    def set(self, request, pk):
        """Change one thing about a ticket: the form names which."""
        ticket = self._ticket(request, pk, change=True)
        try:
            words = self._set(request, ticket)
        except (ValueError, User.DoesNotExist, tickets.NotAnAgent):
            messages.error(request, _("This can't be chosen."))
        else:
            self.log_change(request, ticket, words)
        return self._back(request, ticket)

    def _set(self, request, ticket) -> str:
        if "status" in request.POST:
            status = Ticket.Status(request.POST["status"])
            moves = {
                Ticket.Status.OPEN: tickets.reopen,
                Ticket.Status.WAITING: tickets.wait_for_customer,
                Ticket.Status.RESOLVED: tickets.resolve,
                Ticket.Status.CLOSED: tickets.close,
            }
            moves[status](ticket)
            return _("Status: %(name)s") % {"name": status.label}
        if "priority" in request.POST:
            tickets.set_priority(ticket, request.POST["priority"])
            return _("Priority: %(name)s") % {"name": Ticket.Priority(request.POST["priority"]).label}
        if "type" in request.POST:
            tickets.set_type(ticket, request.POST["type"])
            return _("Type: %(name)s") % {"name": Ticket.Type(request.POST["type"]).label}
        if "assignee" in request.POST:
            chosen = request.POST["assignee"]
            user = User.objects.get(pk=int(chosen)) if chosen else None
            tickets.assign(ticket, user)
            return _("Assignee: %(name)s") % {"name": user.get_short_name() or user.email if user else _("nobody")}
        raise ValueError("Nothing was chosen.")

    def _ticket(self, request, pk, change=False) -> Ticket:
        if not str(pk).isdecimal():
            raise Http404
        rows = StoreScopedAdmin.get_queryset(self, request)
        ticket = rows.select_related("store", "customer", "order", "assignee").filter(pk=pk).first()
        if ticket is None:
            raise Http404
        if change and not self.has_change_permission(request, ticket):
            raise PermissionDenied
        return ticket

    def _back(self, request, ticket):
        url = reverse("admin:support_ticket_change", args=[ticket.pk])
        name = request.POST.get("view", "")
        return redirect(f"{url}?view={name}" if name in desk.VIEWS else url)

    def _page(self, request, ticket, form=None, status=200):
        at = timezone.now()
        chosen = request.POST.get("view") or request.GET.get("view") or "active"
        rows = StoreScopedAdmin.get_queryset(self, request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"#{ticket.number} {ticket.subject}",
            "ticket": ticket,
            "form": form or DeskForm(initial={"kind": DeskForm.REPLY}),
            "may_change": self.has_change_permission(request, ticket),
            "selects": desk.selects(ticket),
            "view": chosen if chosen in desk.VIEWS else "active",
            "tabs": desk.tabs(rows, chosen, request.user, at),
            "queue": desk.queue(rows, chosen, request.user, at),
            **desk.conversation(ticket, at),
            **desk.surroundings(ticket),
        }
        return TemplateResponse(request, "support/desk/ticket.html", context, status=status)
