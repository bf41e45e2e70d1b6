"""What staff write into the shop from an order's page. The page itself is a mirror; these are rows that a worker sends."""

import uuid
from decimal import Decimal

from django import forms
from django.contrib import admin, messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from crm.orders.admin.orders import OrderAdmin
from crm.orders.given_back import given_back
from crm.orders.models import Order
from crm.stores import formats
from crm.stores.models import Membership
from crm.stores.staff import has_role

from . import push
from .models import Push
from .pushes import refunds

Role = Membership.Role
# WooCommerce's own that a person may set; a plug-in's are known by the shop's newest orders.
STATUSES = ["pending", "processing", "on-hold", "completed", "cancelled", "failed"]
NOT_SET_BY_HAND = ["refunded", "trash", "auto-draft", "checkout-draft"]
NEWEST = 1000


class WriteForm(forms.Form):
    # Made with the form: sent twice, it is written once.
    cause = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data, order):
        super().__init__(data, initial={"cause": uuid.uuid4()})
        self.order = order


class NoteForm(WriteForm):
    note = forms.CharField(
        label=_("Note"),
        max_length=5000,
        widget=UnfoldAdminTextareaWidget,
        help_text=_("The shop mails it to the customer and keeps it with the order."),
    )


class StatusForm(WriteForm):
    status = forms.ChoiceField(
        label=_("New status"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("The shop does what it always does then, such as mailing the customer."),
    )

    def __init__(self, data, order):
        super().__init__(data, order)
        newest = Order.objects.for_store(order.store_id).order_by("-pk").values_list("status", flat=True)[:NEWEST]
        more = sorted(set(newest) - {*STATUSES, *NOT_SET_BY_HAND})
        self.fields["status"].choices = [(name, name) for name in [*STATUSES, *more] if name != order.status]


class RefundForm(WriteForm):
    amount = forms.DecimalField(label=_("Amount"), max_digits=15, widget=UnfoldAdminDecimalFieldWidget)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The customer may read it."),
    )
    api_refund = forms.BooleanField(
        label=_("Have the payment's gateway pay it back"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean_amount(self):
        amount = self.cleaned_data["amount"]
        given = given_back(self.order)
        if given and amount > (left := max(self.order.net_total - given, Decimal(0))):
            raise forms.ValidationError(refunds.given_back_said(self.order, given, left))
        if not Decimal(0) < amount <= self.order.net_total:
            most = formats.money(self.order.net_total, self.order.currency)
            raise forms.ValidationError(_("More than nothing and at most %(most)s.") % {"most": most})
        return amount


class WritingOrderAdmin(OrderAdmin):
    actions_detail = ["add_note", "change_status", "refund"]
    write_roles = {Role.OWNER, Role.AGENT}
    refund_roles = {Role.OWNER}

    def get_fieldsets(self, request, obj=None):
        first, *others = super().get_fieldsets(request, obj)
        return [first, (_("Written into the shop"), {"fields": ["writes"]}), *others]

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), "writes"]

    def has_write_permission(self, request, object_id=None):
        return self._may(request, self.write_roles, object_id)

    def has_refund_permission(self, request, object_id=None):
        return self._may(request, self.refund_roles, object_id)

    def _may(self, request, roles, object_id):
        if not hasattr(request, "_written_order"):
            request._written_order = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        order = request._written_order
        return has_role(request.user, roles, order and order.store_id) and not (order and order.deleted_at)

    @action(description=_("Note for the customer"), url_path="note", permissions=["write"], icon="chat")
    def add_note(self, request, object_id):
        def payload(values):
            return {"note": values["note"], "customer_note": True}

        return self._write(request, object_id, NoteForm, "order_note", payload, _("Send the note"))

    @action(description=_("Change the status"), url_path="status", permissions=["write"], icon="swap_horiz")
    def change_status(self, request, object_id):
        def payload(values):
            return {"status": values["status"], "was": self.get_object(request, object_id).status}

        return self._write(request, object_id, StatusForm, "order_status", payload, _("Change the status"))

    @action(description=_("Refund"), url_path="refund", permissions=["refund"], icon="currency_exchange")
    def refund(self, request, object_id):
        def payload(values):
            # Without lines no goods are meant.
            asked = {name: values[name] for name in ("amount", "reason", "api_refund")}
            return asked | {"api_restock": False}

        return self._write(request, object_id, RefundForm, "refund", payload, _("Go on"))

    def _write(self, request, object_id, form_class, kind, payload, button):
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404
        form = form_class(request.POST or None, order)
        back = reverse("admin:orders_order_change", args=[order.pk])
        context = self.admin_site.each_context(request) | {
            "title": button if kind != "refund" else _("Refund"),
            "opts": self.opts, "form": form, "order": order, "back": back, "button": button,
            "intro": _("Order %(order)s of %(store)s, %(status)s") % {"order": order, "store": order.store, "status": order.status},
        }  # fmt: skip
        if not (request.method == "POST" and form.is_valid()):
            return render(request, "stores/staff_form.html", context)
        if "confirmed" in form.fields and not form.cleaned_data["confirmed"]:
            context["amount"] = formats.money(form.cleaned_data["amount"], order.currency)
            return render(request, "woocommerce/confirm_refund.html", context)
        try:
            row = push.queue(
                order.store,
                kind,
                f"staff:{form.cleaned_data['cause']}",
                {"order": order.woo_id} | payload(form.cleaned_data),
                order=order,
                customer=order.customer,
                at=timezone.now(),
            )
        except push.BadPayload as error:
            for name, texts in error.errors.items() if set(error.errors) <= set(form.fields) else [(None, str(error))]:
                form.add_error(name, texts)
            return render(request, "stores/staff_form.html", context)
        self.log_change(request, order, f"{row.kind_shown}: {row.payload}")
        messages.success(request, _("The shop is being told; how it went shows on this page."))
        return redirect(back)

    @display(description=_("Latest"))
    def writes(self, order):
        rows = Push.objects.filter(order=order).order_by("-pk")[:5]
        return format_html_join("", "<div>{} · {} · {}{}</div>", (self._line(row, order) for row in rows)) or "—"

    def _line(self, row, order):
        when = formats.moment(row.settled_at or row.created_at, order.store.timezone)
        problem = format_html("<br><small>{}</small>", row.error.partition("\n")[0][:200]) if row.error else ""
        return row.kind_shown, row.get_outcome_display(), when, problem


admin.site.unregister(Order)
admin.site.register(Order, WritingOrderAdmin)
