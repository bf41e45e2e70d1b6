"""Store credit for staff: who has how much, and giving and taking it."""

import uuid

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from crm.orders.models import Customer, Order
from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import Role, has_role

from .. import adjusting, credit, ledger, paid, units
from ..models import CreditAccount
from .accounts import AccountAdmin, AdjustForm, tell


def _amount(**options):
    return forms.DecimalField(
        label=_("Amount"), max_digits=12, decimal_places=4, widget=UnfoldAdminDecimalFieldWidget, **options
    )


def _units(amount, currency: str) -> int:
    try:
        return units.smallest(amount, currency)
    except ValueError as error:
        raise forms.ValidationError(_("So little of it can't be paid.")) from error


class AdjustCreditForm(AdjustForm):
    points = _amount(help_text=_("To give, or with a minus to take away."))
    unit: str

    def clean_points(self):
        return _units(super().clean_points(), self.unit)


def _reason():
    return forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The customer reads it, in a mail and in the statement."),
    )


class RefundForm(forms.Form):
    amount = _amount(help_text=_("Instead of money: the shop pays nothing out, and keeps a note with the order."))
    reason = _reason()
    # Made with the form: sent twice, it gives once.
    key = forms.UUIDField(widget=forms.HiddenInput)


class GiveForm(forms.ModelForm):
    email = forms.EmailField(label=_("Customer's e-mail"), widget=UnfoldAdminEmailInputWidget)
    amount = _amount(min_value=0, help_text=_("In the store's currency."))
    reason = _reason()
    # Made with the form: sent twice, it gives once.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = CreditAccount
        fields = ["store"]

    def clean(self):
        values = super().clean()
        store, email, amount = values.get("store"), values.get("email"), values.get("amount")
        if store and email:
            found = Customer.objects.for_store(store).with_email(email).current()
            if customer := found.order_by("woo_id", "pk").first():
                self.instance.customer = customer
            else:
                self.add_error("email", _("The store has no customer with this address."))
        if store and amount is not None:
            try:
                values["units"] = _units(amount, store.currency)
            except forms.ValidationError as error:
                self.add_error("amount", error)
            else:
                if not values["units"]:
                    self.add_error("amount", _("Nothing would change."))
        return values


@admin.register(CreditAccount)
class CreditAccountAdmin(AccountAdmin):
    list_display = ["customer_shown", "balance_shown", "created_at", "store"]
    fields = ["customer_link", "balance_shown", "created_at", "store", "freezes_shown", "statement"]
    readonly_fields = ["customer_link", "balance_shown", "freezes_shown", "statement"]
    # Agents ask for it on the page that gives, and an owner decides.
    add_roles = {Role.OWNER, Role.AGENT}
    adjust_roles = {Role.OWNER}
    adjust_form = AdjustCreditForm
    adjust_title = _("Give or take store credit")

    def get_queryset(self, request):
        return super(AccountAdmin, self).get_queryset(request).credit()

    def get_fields(self, request, obj=None):
        return self.fields if obj else ["store", "email", "amount", "reason", "key"]

    def get_form(self, request, obj=None, **kwargs):
        return super().get_form(request, obj, **kwargs if obj else kwargs | {"form": GiveForm, "fields": ["store"]})

    def get_changeform_initial_data(self, request):
        return super().get_changeform_initial_data(request) | {"key": uuid.uuid4()}

    @action(description=_("Give or take"), url_path="adjust", permissions=["adjust"], icon="edit")
    def adjust(self, request, object_id):
        return super().adjust(request, object_id)

    def add_view(self, request, form_url="", extra_context=None):
        try:
            return super().add_view(request, form_url, extra_context)
        except adjusting.SentBefore as error:
            messages.error(request, str(error))
            return redirect("admin:loyalty_creditaccount_add")

    def save_model(self, request, obj, form, change):
        said = form.cleaned_data
        account = credit.account_of(obj.store, obj.customer)
        waits = self.waits(request, obj.store_id)
        asked = ledger.adjust(account, said["units"], said["reason"], request.user, key=said["key"], waits=waits)
        tell(request, asked)
        obj.pk, obj.__dict__ = account.pk, account.__dict__

    def get_urls(self):
        refund = self.admin_site.admin_view(self.refund)
        return [path("refund/<int:order>/", refund, name="loyalty_creditaccount_refund"), *super().get_urls()]

    def refund(self, request, order):
        """Give back money of an order as store credit, once for each form."""
        stores = Store.objects.for_user(request.user)
        order = Order.objects.filter(store__in=stores).select_related("store", "customer").filter(pk=order).first()
        if order is None:
            raise Http404
        if not has_role(request.user, self.add_roles, order.store_id):
            raise PermissionDenied
        refunding = paid.on_its_way(order)
        most = paid.left_of(order, paid.given(order), refunding)
        intro = _("Order %(order)s of %(customer)s: %(most)s can be given back.") % {
            "order": order, "customer": order.customer, "most": formats.money(most, order.currency)
        }  # fmt: skip
        form = RefundForm(request.POST or None, initial={"key": uuid.uuid4(), "amount": f"{most:f}"})
        if request.method == "POST" and form.is_valid() and self._refunded(request, order, form):
            return redirect("admin:orders_order_change", order.pk)
        context = self.admin_site.each_context(request) | {
            "title": _("Give back as store credit"),
            "opts": self.opts,
            "form": form,
            "intro": f"{intro} {paid.refunding_said(order, refunding)}",
            "button": _("Give back"),
            "back": reverse("admin:orders_order_change", args=[order.pk]),
        }
        return render(request, "stores/staff_form.html", context)

    def _refunded(self, request, order, form):
        said, waits = form.cleaned_data, self.waits(request, order.store_id)
        try:
            done = adjusting.refund(order, said["amount"], said["reason"], request.user, key=said["key"], waits=waits)
        except (paid.CannotGiveBack, adjusting.SentBefore) as error:
            form.add_error("amount", str(error))
            return False
        self.log_change(request, done.account, f"{done.shown}: {done.reason}")
        tell(request, done)
        return True

    @display(description=_("Credit"), ordering="balance")
    def balance_shown(self, account):
        return units.shown(account.balance, account.unit)
