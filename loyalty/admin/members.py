"""Members for staff: who takes part since when and how, and in which tier."""

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminEmailInputWidget

from crm.orders.admin import link_to
from crm.orders.models import Customer
from crm.stores import formats
from crm.stores.staff import Role, StoreFilter, StoreScopedAdmin, has_role

from .. import members, programs
from ..models import Member, TierChange, TierStanding

MAY_ENROL = {Role.OWNER, Role.AGENT}


class PartFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "part"

    def lookups(self, request, model_admin):
        return [("member", _("Takes part")), ("left", _("Has left"))]

    def queryset(self, request, queryset):
        if self.value() == "member":
            return queryset.current()
        return queryset.exclude(left_at=None) if self.value() == "left" else queryset


class EnrolForm(forms.ModelForm):
    email = forms.EmailField(label=_("Customer's e-mail"), widget=UnfoldAdminEmailInputWidget)

    class Meta:
        model = Member
        fields = ["store"]

    def clean(self):
        values = super().clean()
        store, email = values.get("store"), values.get("email")
        if store and email:
            found = Customer.objects.for_store(store).with_email(email).current()
            customer = found.order_by("woo_id", "pk").first()
            program = programs.of(store)
            if customer is None:
                self.add_error("email", _("The store has no customer with this address."))
            elif program is None:
                self.add_error("store", _("The store has no points programme."))
            elif Member.objects.current().filter(customer=customer).exists():
                self.add_error("email", _("This customer takes part already."))
            self.instance.customer = customer
        return values


@admin.register(Member)
class MemberAdmin(StoreScopedAdmin):
    list_display = ["customer_shown", "state", "tier", "joined_at", "joined_by", "left_at", "points_until", "store"]
    list_filter = [PartFilter, "joined_by", ("store", StoreFilter)]
    list_select_related = ["customer", "store"]
    search_fields = ["customer__email", "customer__last_name"]
    search_help_text = _("E-mail or last name")
    ordering = ["-joined_at", "-pk"]
    show_full_result_count = False
    list_per_page = 50
    add_roles = MAY_ENROL
    change_roles: set[str] = set()
    actions = ["leave"]
    fields = [
        "customer_link", "tier", "tiers_so_far", "joined_at", "joined_by", "left_at", "left_by", "points_until", "points_gone_at", "changed_by", "store",
    ]  # fmt: skip
    readonly_fields = ["customer_link", "tier", "tiers_so_far"]

    def get_queryset(self, request):
        standing = TierStanding.objects.filter(customer=OuterRef("customer"))
        return super().get_queryset(request).annotate(tier_name=Subquery(standing.values("tier__name")))

    def get_fields(self, request, obj=None):
        return self.fields if obj else ["store", "email"]

    def get_form(self, request, obj=None, **kwargs):
        # The plain form of a row that is only looked at would ask for the address.
        return super().get_form(request, obj, **kwargs if obj else kwargs | {"form": EnrolForm, "fields": ["store"]})

    def save_model(self, request, obj, form, change):
        row, _new = members.join(obj.store, obj.customer, Member.Way.STAFF, timezone.now(), by=request.user)
        obj.pk, obj.__dict__ = row.pk, row.__dict__

    def has_leave_permission(self, request):
        return has_role(request.user, MAY_ENROL)

    @action(description=_("Leave the programme, as the customer asked"), permissions=["leave"])
    def leave(self, request, queryset):
        count = 0
        for row in queryset.current().select_related("customer", "store"):
            program = programs.of(row.store)
            if program and has_role(request.user, MAY_ENROL, row.store_id):
                members.leave(program, row.customer, Member.Way.STAFF, timezone.now(), by=request.user)
                count += 1
        messages.success(request, ngettext("%d customer has left.", "%d customers have left.", count) % count)

    @display(description=_("customer"), ordering="customer__email", header=True)
    def customer_shown(self, row):
        return [str(row.customer), row.customer.email]

    @display(description=_("customer"))
    def customer_link(self, row):
        return link_to(row.customer)

    @display(description=_("tier"), ordering="tier_name")
    def tier(self, row):
        return row.tier_name or "—"

    @display(description=_("tiers so far"))
    def tiers_so_far(self, row):
        changes = TierChange.objects.filter(store=row.store_id, customer=row.customer_id).order_by("-pk")[:20]
        said = ((formats.day(c.at, row.store.timezone), str(c), c.get_why_display()) for c in changes)
        return format_html_join(mark_safe("<br>"), "{}: {} ({})", said) or "—"

    @display(description=_("state"), label={"member": "success", "left": "warning"})
    def state(self, row):
        return ("left", _("Has left")) if row.has_left else ("member", _("Takes part"))
