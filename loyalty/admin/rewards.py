"""Rewards: what points buy, and who took what."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from crm.orders.admin import link_to
from crm.orders.models import Product
from crm.stores import formats
from crm.stores.models import Store
from crm.stores.staff import ReadOnlyAdmin, Role, StoreFilter, StoreScopedAdmin, has_role

from .. import coupon_limits, explaining, rests, rewards, units
from ..models import Gift, Redemption, Reward, Tier
from . import downloads
from .downloads import Downloads
from .limits import GoodsAdmin, GoodsForm
from .rules import of_ones_stores

COLOURS = {
    Redemption.State.PENDING.label: "warning",
    Redemption.State.READY.label: "info",
    Redemption.State.USED.label: "success",
    Redemption.State.FAILED.label: "danger",
    Redemption.State.RETURNING.label: "warning",
}


def _money(redemption):
    return formats.money(redemption.terms["amount"], redemption.terms["currency"])


# What is said in each language, and how long it may be.
SAID = {"name": (_("Name"), 80), "description": (_("Description"), 300)}


def _in_each_language() -> dict[str, forms.Field]:
    return {
        f"{part}_{language}": forms.CharField(
            label=format_lazy("{}, {}", label, named),
            max_length=longest,
            required=False,
            widget=UnfoldAdminTextInputWidget,
        )
        for language, named in settings.LANGUAGES
        for part, (label, longest) in SAID.items()
    }


class RewardForm(GoodsForm):
    """With a name and a description for each language, which are one column."""

    locals().update(_in_each_language())

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for language, _named in settings.LANGUAGES:
            for part in SAID.keys() & self.instance.translations.get(language, {}).keys():
                self.initial[f"{part}_{language}"] = self.instance.translations[language][part]

    def clean(self):
        values = super().clean()
        said = {
            language: {part: text for part in SAID if (text := values.get(f"{part}_{language}"))}
            for language, _named in settings.LANGUAGES
        }
        self.instance.translations = {language: texts for language, texts in said.items() if texts}
        return values


@admin.register(Reward)
class RewardAdmin(GoodsAdmin, StoreScopedAdmin):
    form = RewardForm
    list_display = ["name_shown", "points_shown", "stock", "active", "available_from", "available_until", "store"]
    list_select_related = ["store", "product"]
    list_filter = [("store", StoreFilter), "active", "kind"]
    ordering = ["store", "position", "points", "pk"]
    autocomplete_fields = ["product"]
    readonly_fields = ["taken_shown", "goods_shown"]
    add_roles = {Role.OWNER}
    fieldsets = [
        (
            None,
            {"fields": ["store", "kind", "amount", "product", "points", "name", "description", "active", "position"]},
        ),
        (
            _("In other languages"),
            {
                "classes": ["collapse"],
                "fields": [*_in_each_language()],
                "description": _(
                    "Customers who read another language find the name and description above where it is empty."
                ),
            },
        ),
        (_("If customers choose how much"), {"fields": ["fewest", "most", "step"]}),
        (
            _("The code"),
            {"fields": ["individual_use", "valid_days", "returns_expired", "returns_refunded"]},
        ),
        (
            _("For which orders and goods"),
            {"fields": ["minimum_order", "maximum_order", *coupon_limits.PARTS, "excludes_sale"]},
        ),
        (
            _("Who may take it, and when"),
            {"fields": ["stock", "per_customer", "per_year", "tier", "available_from", "available_until"]},
        ),
        (_("Taken"), {"fields": ["taken_shown"]}),
    ]

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "tier":
            kwargs["queryset"] = Tier.objects.filter(program__store__in=Store.objects.for_user(request.user))
        if db_field.name == "product":
            kwargs["queryset"] = of_ones_stores(Product, request.user, self.add_roles)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description=_("Reward"))
    def name_shown(self, reward):
        return str(reward)

    @display(description=_("In the last months"))
    def taken_shown(self, reward):
        """How often and for how much; of a donation that is what the shop owes to somebody."""
        rows = rewards.monthly(reward) if reward.pk else []
        lines = [
            (
                month.strftime("%Y-%m"),
                formats.number(count),
                explaining.points(points),
                formats.money(worth, reward.store.currency) if worth else "",
            )
            for month, count, points, worth in rows
        ]
        return format_html_join("", "{}: {} × · {} {}<br>", lines) if lines else "–"

    @display(description=_("Points"), ordering="points")
    def points_shown(self, reward):
        return formats.number(reward.points)


class EndForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextInputWidget)


@admin.register(Redemption)
class RedemptionAdmin(Downloads, ReadOnlyAdmin):
    list_display = [
        "code_shown",
        "customer_shown",
        "reward_shown",
        "points_shown",
        "state_shown",
        "created_at",
        "store",
    ]
    list_select_related = ["account__customer", "store", "rest_of"]
    list_filter = [("store", StoreFilter), "state"]
    # The whole of a code: a part of it would let somebody try letter after letter.
    search_fields = ["=code", "account__customer__email", "gift__recipient"]
    search_help_text = _("Code or e-mail")
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "code_shown", "customer_link", "reward_shown", "points_shown", "state_shown", "error", "expires_at", "order_link", "gift_shown",
        "codes_shown", "ended_at", "created_at",
    ]  # fmt: skip
    readonly_fields = [
        "code_shown", "customer_link", "reward_shown", "points_shown", "state_shown", "order_link", "gift_shown", "codes_shown", "ended_at",
    ]  # fmt: skip
    download_select_related = ("rest_of", "order")
    download_columns = [
        (_("Taken"), lambda row: downloads.when(row.created_at, row)),
        *downloads.OWNER,
        # Owners alone get here.
        (_("Code"), lambda row: row.code),
        (_("Reward"), lambda row: rewards.words(row.card.terms)),
        (_("Points or credit"), lambda row: "" if row.rest_of_id else downloads.amount(row.points, row.account)),
        (_("Unit"), downloads.unit),
        (_("State"), lambda row: row.get_state_display()),
        (_("Order"), lambda row: row.order.number if row.order else ""),
        (_("Expires"), lambda row: downloads.when(row.expires_at, row)),
    ]
    actions_detail = ["end"]
    end_roles = {Role.OWNER}

    def get_queryset(self, request):
        own = Store.objects.for_user(request.user, {Role.OWNER}).filter(pk=OuterRef("store"))
        return super().get_queryset(request).annotate(is_ones_own=Exists(own))

    def has_end_permission(self, request, object_id=None):
        redemption = self.get_queryset(request).filter(pk=object_id).first() if object_id else None
        return has_role(request.user, self.end_roles, redemption and redemption.store_id)

    def get_actions_detail(self, request, object_id):
        """Of cards that can be ended."""
        redemption = self.get_queryset(request).filter(pk=object_id).first()
        can_end = redemption and redemption.is_gift and not redemption.card.ended_at
        return super().get_actions_detail(request, object_id) if can_end else []

    @action(description=_("End the gift card"), url_path="end", permissions=["end"], icon="block")
    def end(self, request, object_id):
        """All of its codes, for good."""
        redemption = self.get_object(request, object_id)
        if redemption is None:
            raise Http404
        card = redemption.card
        form = EndForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                rests.end(card.store, card.pk, form.cleaned_data["reason"], request.user, timezone.now())
            except LookupError as error:
                raise Http404 from error
            except rests.CannotEnd as error:
                messages.warning(request, str(error))
            else:
                self.log_change(request, card, f"{_('Ended')}: {form.cleaned_data['reason']}")
                messages.success(request, _("The shop is asked to delete its codes."))
            return redirect("admin:loyalty_redemption_change", card.pk)
        context = self.admin_site.each_context(request) | {
            "title": _("End the gift card"),
            "opts": self.opts,
            "form": form,
            "intro": _(
                "The shop is asked to delete every code of this gift card that nobody has used. No other code is made, whatever becomes of its orders, "
                "and no points come back: if the card was stolen, give its owner another one."
            ),
            "button": _("End the gift card"),
            "back": reverse("admin:loyalty_redemption_change", args=[redemption.pk]),
        }
        return render(request, "stores/staff_form.html", context)

    @display(description=_("code"))
    def code_shown(self, redemption):
        """A gift card's code is money for whoever reads it."""
        is_shown = redemption.is_ones_own or not redemption.is_gift
        return (redemption.code if is_shown else f"…{redemption.code[-4:]}") or "–"

    @display(description=_("Customer"))
    def customer_shown(self, redemption):
        return str(redemption.account.customer)

    @display(description=_("Customer"))
    def customer_link(self, redemption):
        return link_to(redemption.account.customer)

    @display(description=_("Order"))
    def order_link(self, redemption):
        return link_to(redemption.order) if redemption.order else "–"

    @display(description=_("Reward"))
    def reward_shown(self, redemption):
        said = rewards.words(redemption.card.terms)
        return (
            _("%(money)s left of: %(card)s") % {"money": _money(redemption), "card": said}
            if redemption.rest_of
            else said
        )

    @display(description=_("Gift for"))
    def gift_shown(self, redemption):
        if not redemption.is_gift:
            return "–"
        gift = redemption.card.gift
        return " · ".join(filter(None, [gift.recipient, str(Gift.Delivery(gift.delivery).label), gift.message]))

    @display(description=_("Codes of the gift card"))
    def codes_shown(self, redemption):
        """All of them, with what each is or was worth."""
        if not redemption.is_gift:
            return "–"
        card = redemption.card
        lines = []
        for row in [card, *card.rests.select_related("order").order_by("pk")]:
            row.is_ones_own = redemption.is_ones_own
            lines.append((self.code_shown(row), _money(row), row.get_state_display(), self.order_link(row)))
        return format_html_join("", "{} · {} · {} · {}<br>", lines)

    @display(description=_("Points or credit"))
    def points_shown(self, redemption):
        if redemption.rest_of_id:
            return "–"
        return units.shown(redemption.points, redemption.account.unit)

    @display(description=_("State"), label=COLOURS, ordering="state")
    def state_shown(self, redemption):
        return redemption.get_state_display()
