"""Points for staff: the accounts with a way to adjust them, and the ledger to look at."""

import uuid

from django import forms
from django.contrib import admin, messages
from django.db.models import F, OuterRef, Subquery
from django.db.models.lookups import IsNull
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter, RangeNumericFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from crm.orders.admin import link_to
from crm.stores import formats
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, has_role

from .. import adjusting, explaining, ledger, units
from ..models import Account, Adjustment, CreditAccount, LedgerEntry, Program
from ..models.program import worth_of
from . import downloads
from .downloads import Downloads
from .freezing import Freezing, FrozenFilter

KIND_COLOURS = {
    LedgerEntry.Kind.EARN.label: "success",
    LedgerEntry.Kind.RELEASE.label: "success",
    LedgerEntry.Kind.RETURN.label: "info",
    LedgerEntry.Kind.REVERSE.label: "danger",
    LedgerEntry.Kind.REDEEM.label: "info",
    LedgerEntry.Kind.EXPIRE.label: "warning",
    LedgerEntry.Kind.ADJUST.label: "primary",
}


def signed(entry: LedgerEntry) -> str:
    """`+85`, or `+₹5.00` of credit, and that they are pending as far as they are."""
    if entry.account.is_credit:
        return f"{'+' if entry.moved > 0 else ''}{units.shown(entry.moved, entry.account.unit)}"
    if entry.kind == LedgerEntry.Kind.RELEASE:
        return _("%(points)s usable") % {"points": formats.number(entry.points)}
    points = f"{'+' if entry.moved > 0 else ''}{formats.number(entry.moved)}"
    if entry.pending:
        return _("%(points)s (pending: %(pending)s)") % {"points": points, "pending": formats.number(entry.pending)}
    return points


def done(entry: LedgerEntry) -> str:
    said = (
        _("Done: there is credit of %(balance)s now.")
        if entry.account.is_credit
        else _("Done: the balance is %(balance)s points now.")
    )
    return said % {"balance": units.shown(entry.balance_after, entry.account.unit)}


def tell(request, adjustment: Adjustment) -> None:
    if adjustment.entry is None and not has_role(request.user, {Role.OWNER}, adjustment.store_id):
        messages.warning(request, _("You asked for it: it waits until an owner approves it."))
    elif adjustment.entry is None:
        messages.warning(request, _("This is beyond your limit for a day: it waits until another owner approves it."))
    else:
        messages.success(request, done(adjustment.entry))


def link_to_account(account: Account) -> str:
    """Points and credit have pages of their own."""
    return link_to(CreditAccount.objects.get(pk=account.pk) if account.is_credit else account)


class AdjustForm(forms.Form):
    points = forms.IntegerField(
        label=_("Points"),
        min_value=-ledger.MOST_POINTS,
        max_value=ledger.MOST_POINTS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("To add, or with a minus to take away."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The customer reads it in the statement."),
    )
    # Made with the form: sent twice, it posts once.
    cause = forms.UUIDField(widget=forms.HiddenInput)

    def clean_points(self):
        if not self.cleaned_data["points"]:
            raise forms.ValidationError(_("Nothing would change."))
        return self.cleaned_data["points"]


@admin.register(Account)
class AccountAdmin(Freezing, ReadOnlyAdmin):
    list_display = ["customer_shown", "balance_shown", "pending_shown", "worth", "created_at", "store"]
    list_select_related = ["customer", "store"]
    list_filter = [("store", StoreFilter), ("balance", RangeNumericFilter), FrozenFilter]
    list_filter_submit = True
    search_fields = ["customer__email", "customer__first_name", "customer__last_name"]
    search_help_text = _("E-mail or name")
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "customer_link", "balance_shown", "pending_shown", "worth", "earned_shown", "created_at", "store", "freezes_shown", "lots", "statement",
    ]  # fmt: skip
    readonly_fields = [
        "customer_link", "balance_shown", "pending_shown", "worth", "earned_shown", "freezes_shown", "lots", "statement",
    ]  # fmt: skip
    actions_detail = ["adjust", "freeze", "unfreeze"]
    # Agents ask, and an owner decides.
    adjust_roles = {Role.OWNER, Role.AGENT}
    adjust_form: type[forms.Form] = AdjustForm
    adjust_title = _("Adjust points")

    def get_queryset(self, request):
        value = Program.objects.filter(store=OuterRef("store")).values("point_value")
        return super().get_queryset(request).points().annotate(point_value=Subquery(value))

    def has_adjust_permission(self, request, object_id=None):
        account = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.adjust_roles, account and account.store_id)

    def waits(self, request, store_id) -> bool:
        """Whether this member of staff may only ask."""
        return not has_role(request.user, {Role.OWNER}, store_id)

    @action(description=_("Adjust"), url_path="adjust", permissions=["adjust"], icon="edit")
    def adjust(self, request, object_id):
        account = self._account(request, object_id)
        form = self.adjust_form(request.POST or None, initial={"cause": uuid.uuid4()})
        form.unit = account.unit
        if request.method == "POST" and form.is_valid() and self._adjusted(request, account, form):
            return redirect(self._page(account))
        context = self.admin_site.each_context(request) | {
            "title": self.adjust_title,
            "opts": self.opts,
            "form": form,
            "account": account,
            "balance": units.shown(account.balance, account.unit),
            "waits": self.waits(request, account.store_id),
            "back": self._page(account),
        }
        return render(request, f"admin/loyalty/{self.opts.model_name}/adjust.html", context)

    def _adjusted(self, request, account, form):
        points, reason, cause = (form.cleaned_data[name] for name in ("points", "reason", "cause"))
        waits = self.waits(request, account.store_id)
        try:
            adjustment = ledger.adjust(account, points, reason, request.user, key=cause, waits=waits)
        except ledger.InsufficientPoints as error:
            form.add_error("points", str(error))
            return False
        except adjusting.SentBefore as error:
            form.add_error(None, str(error))
            return False
        self.log_change(request, account, f"{adjustment.shown}: {adjustment.reason}")
        tell(request, adjustment)
        return True

    @display(description=_("Customer"), ordering="customer__email", header=True)
    def customer_shown(self, account):
        return [str(account.customer), account.customer.email]

    @display(description=_("Customer"))
    def customer_link(self, account):
        return link_to(account.customer)

    @display(description=_("Points"), ordering="balance")
    def balance_shown(self, account):
        return formats.number(account.balance)

    @display(description=_("Pending"), ordering="pending")
    def pending_shown(self, account):
        return formats.number(account.pending) if account.pending else "—"

    @display(description=_("Earned in all"))
    def earned_shown(self, account):
        return formats.number(account.earned)

    @display(description=_("What the balance is made of"))
    def lots(self, account):
        """Lots in the order in which they will be spent, then what is pending."""

        def day(at):
            return formats.day(at, account.store.timezone) if at else "—"

        lots = account.lots.filter(is_open=True).select_related("order", "entry")
        rows = format_html_join(
            "",
            '<tr class="border-t border-base-200 dark:border-base-800"><td class="py-2 pr-4 text-right">{}</td>'
            '<td class="py-2 pr-4">{}</td><td class="py-2 pr-4">{}</td><td class="py-2">{}</td></tr>',
            (
                (
                    _("%(left)s of %(granted)s")
                    % {"left": formats.number(lot.remaining), "granted": formats.number(lot.granted)},
                    link_to(lot.order) if lot.order else link_to(lot.entry),
                    _("now") if lot.released_at else day(lot.available_from),
                    day(lot.expires_at),
                )
                # A name alone would be a value that is never null: then there would be no rows at all.
                for lot in lots.order_by(IsNull(F("released_at"), True), F("expires_at").asc(nulls_last=True), "pk")[
                    :20
                ]
            ),
        )
        head = format_html_join(
            "",
            '<th class="pr-4 text-left">{}</th>',
            ((word,) for word in (_("Points"), _("From"), _("Usable from"), _("Expires"))),
        )
        return format_html('<table class="w-full"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, rows)

    @display(description=_("Worth"))
    def worth(self, account):
        worth = worth_of(account.balance, account.point_value or 0, account.store.currency)
        return "—" if worth is None else formats.money(worth, account.store.currency)

    @display(description=_("Statement"))
    def statement(self, account):
        entries = account.entries.select_related("order", "account__customer").order_by("-pk")[:20]
        rows = format_html_join(
            "",
            '<tr class="border-t border-base-200 dark:border-base-800"><td class="py-2 pr-4 whitespace-nowrap">{}</td>'
            '<td class="py-2 pr-4">{}<br><small>{}</small></td><td class="py-2 pr-4 text-right">{}</td>'
            '<td class="py-2 text-right">{}</td></tr>',
            (
                (
                    formats.moment(entry.created_at, account.store.timezone),
                    link_to(entry, explaining.title(entry)),
                    " ".join(explaining.explain(entry)),
                    signed(entry),
                    units.shown(entry.balance_after, account.unit),
                )
                for entry in entries
            ),
        )
        head = format_html_join(
            "",
            '<th class="pr-4 text-left">{}</th>',
            ((word,) for word in (_("When"), _("What"), _("Points"), _("Balance"))),
        )
        everything = format_html(
            '<a class="text-primary-600 dark:text-primary-500 underline" href="{}?account__id__exact={}">{}</a>',
            reverse("admin:loyalty_ledgerentry_changelist"),
            account.pk,
            _("All entries of this account"),
        )
        return format_html(
            '<table class="w-full"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}', head, rows, everything
        )


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Downloads, ReadOnlyAdmin):
    list_display = ["when", "customer_shown", "kind_shown", "points_shown", "balance_shown", "title", "store"]
    list_display_links = ["when"]
    list_select_related = ["account__customer", "order", "store"]
    list_filter = [("store", StoreFilter), "kind", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    search_fields = ["account__customer__email", "account__customer__last_name", "order__number", "cause", "note"]
    search_help_text = _("E-mail, last name, order, cause or reason")
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "when", "account_link", "kind", "points_shown", "shortfall", "balance_shown", "order_link", "explanation", "note",
        "cause", "created_by", "rule",
    ]  # fmt: skip
    readonly_fields = ["when", "account_link", "points_shown", "balance_shown", "order_link", "explanation"]
    download_select_related = ("order", "created_by")
    download_columns = [
        (_("Posted"), lambda entry: downloads.when(entry.created_at, entry)),
        *downloads.OWNER,
        (_("Kind"), lambda entry: entry.get_kind_display()),
        (_("Points or credit"), lambda entry: downloads.amount(entry.moved, entry.account)),
        (_("Unit"), downloads.unit),
        (_("Balance after"), lambda entry: downloads.amount(entry.balance_after, entry.account)),
        (_("What for"), explaining.title),
        (_("Reason"), lambda entry: entry.note),
        (_("Order"), lambda entry: entry.order.number if entry.order else ""),
        (_("Cause"), lambda entry: entry.cause),
        (_("By"), lambda entry: str(entry.created_by or "")),
    ]

    def lookup_allowed(self, lookup, value, request=None):
        return lookup == "account__id__exact" or super().lookup_allowed(lookup, value, request)

    @display(description=_("Posted"), ordering="created_at")
    def when(self, entry):
        return formats.moment(entry.created_at, entry.store.timezone)

    @display(description=_("Customer"), header=True)
    def customer_shown(self, entry):
        return [str(entry.account.customer), entry.account.customer.email]

    @display(description=_("Account"))
    def account_link(self, entry):
        return link_to_account(entry.account)

    @display(description=_("Order"))
    def order_link(self, entry):
        return link_to(entry.order)

    @display(description=_("Kind"), ordering="kind", label=KIND_COLOURS)
    def kind_shown(self, entry):
        return entry.get_kind_display()

    @display(description=_("Points"), ordering="points")
    def points_shown(self, entry):
        return signed(entry)

    @display(description=_("Balance after"))
    def balance_shown(self, entry):
        return units.shown(entry.balance_after, entry.account.unit)

    @display(description=_("What for"))
    def title(self, entry):
        return explaining.title(entry)

    @display(description=_("Explanation"))
    def explanation(self, entry):
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in explaining.explain(entry))) or "—"
