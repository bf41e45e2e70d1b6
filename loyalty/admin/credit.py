"""Store credit for staff: who has how much, and giving and taking it."""

import uuid

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from crm.orders.models import Customer
from crm.stores.staff import Role

from .. import credit, ledger, units
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


class GiveForm(forms.ModelForm):
    email = forms.EmailField(label=_("Customer's e-mail"), widget=UnfoldAdminEmailInputWidget)
    amount = _amount(min_value=0, help_text=_("In the store's currency."))
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The customer reads it, in a mail and in the statement."),
    )
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
    fields = ["customer_link", "balance_shown", "created_at", "store", "statement"]
    readonly_fields = ["customer_link", "balance_shown", "statement"]
    add_roles = {Role.OWNER}
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

    def save_model(self, request, obj, form, change):
        said = form.cleaned_data
        account = credit.account_of(obj.store, obj.customer)
        tell(request, ledger.adjust(account, said["units"], said["reason"], request.user, key=said["key"]))
        obj.pk, obj.__dict__ = account.pk, account.__dict__

    @display(description=_("Credit"), ordering="balance")
    def balance_shown(self, account):
        return units.shown(account.balance, account.unit)
