"""Freezing an account while staff check it, and letting it go on."""

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.stores import formats
from crm.stores.staff import Role, has_role

from .. import freezes
from ..models import Freeze


class FreezeForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For staff: the customer does not read it."),
    )
    note = forms.CharField(
        label=_("What the customer reads"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "Beside a sentence that says that the account is being checked and that the points stay. May be empty."
        ),
    )


class FrozenFilter(admin.SimpleListFilter):
    title = _("frozen")
    parameter_name = "frozen"

    def lookups(self, request, model_admin):
        return [("yes", _("Frozen"))]

    def queryset(self, request, queryset):
        frozen = Freeze.objects.current().of(OuterRef("customer"))
        return queryset.filter(Exists(frozen)) if self.value() == "yes" else queryset


class Freezing:
    """For the admin pages of accounts: two buttons, of which one is there."""

    freeze_roles = {Role.OWNER}

    def has_freeze_permission(self, request, object_id=None):
        return self._may(request, object_id, is_frozen=False)

    def has_unfreeze_permission(self, request, object_id=None):
        return self._may(request, object_id, is_frozen=True)

    def _may(self, request, object_id, is_frozen):
        account = self.get_queryset(request).select_related("customer", "store").filter(pk=object_id).first()
        if account is None or not has_role(request.user, self.freeze_roles, account.store_id):
            return account is None and has_role(request.user, self.freeze_roles)
        # The form of a page that was left open says what it did; only the buttons are of now.
        return request.method == "POST" or is_frozen is bool(freezes.of(account.store, account.customer))

    @action(description=_("Freeze"), url_path="freeze", permissions=["freeze"], icon="ac_unit")
    def freeze(self, request, object_id):
        account = self._account(request, object_id)
        form = FreezeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            said, at = form.cleaned_data, timezone.now()
            row, is_new = freezes.place(account.store, account.customer, said["reason"], said["note"], request.user, at)
            if is_new:
                self.log_change(request, account, _("Frozen: %(reason)s") % {"reason": row.reason})
            messages.success(request, _("The account is frozen. The customer is told so in the portal."))
            return redirect(self._page(account))
        intro = _(
            "While it is frozen, %(customer)s can take no rewards and make no codes of store credit, in the portal and over the API. Points are earned and"
            " taken back as ever, nothing expires, and codes that were taken before go on working."
        )
        return self._ask(request, account, form, _("Freeze"), intro)

    @action(description=_("Unfreeze"), url_path="unfreeze", permissions=["unfreeze"], icon="sunny")
    def unfreeze(self, request, object_id):
        account = self._account(request, object_id)
        if request.method == "POST":
            if freezes.lift(account.store, account.customer, request.user, timezone.now()):
                self.log_change(request, account, str(_("Unfrozen")))
            messages.success(request, _("The account is not frozen any more."))
            return redirect(self._page(account))
        return self._ask(
            request, account, forms.Form(), _("Unfreeze"), _("%(customer)s can take rewards again from now on.")
        )

    def _account(self, request, object_id):
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404
        return account

    def _page(self, account):
        return reverse(f"admin:loyalty_{self.opts.model_name}_change", args=[account.pk])

    def _ask(self, request, account, form, title, intro):
        context = self.admin_site.each_context(request) | {
            "title": title,
            "opts": self.opts,
            "form": form,
            "intro": intro % {"customer": account.customer},
            "button": title,
            "back": self._page(account),
        }
        return render(request, "stores/staff_form.html", context)

    @display(description=_("Frozen"))
    def freezes_shown(self, account):
        """Each time it was, with by whom and why, the newest first."""
        rows = Freeze.objects.for_store(account.store).of(account.customer_id).order_by("-pk")
        zone = account.store.timezone
        said = (
            (
                formats.moment(row.placed_at, zone),
                formats.moment(row.lifted_at, zone) if row.lifted_at else _("until it is unfrozen"),
                " → ".join(
                    str(who or "—") for who in ([row.placed_by, row.lifted_by] if row.lifted_at else [row.placed_by])
                ),
                row.reason,
            )
            for row in rows.select_related("placed_by", "lifted_by")[:20]
        )
        return format_html_join(mark_safe("<br>"), "{} – {} ({}): {}", said) or "—"
