"""For which goods a reward's code is good: chosen from the mirror, kept with their numbers and names."""

import copy

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from .. import coupon_limits
from ..models import EarningRule
from .rules import of_ones_stores

SAID = {
    "products": (_("Products"), _("None: all of them. The order needs one; percent off is taken off these alone.")),
    "excluded_products": (
        _("But not these products"),
        _("Other codes than percent off are refused for orders with one."),
    ),
    "categories": (_("Categories"), _("Instead of products. With the categories below them.")),
    "excluded_categories": (_("But not these categories"), ""),
}


def _field(part, label, help_text):
    model = coupon_limits.model_of(part)
    of_rule = EarningRule._meta.get_field(model._meta.model_name)
    return forms.ModelMultipleChoiceField(
        model.objects.none(),
        label=label,
        help_text=help_text,
        required=False,
        widget=AutocompleteSelectMultiple(of_rule, admin.site),
    )


class GoodsForm(forms.ModelForm):
    """With a choice for each part of `Reward.goods`."""

    locals().update({part: _field(part, *said) for part, said in SAID.items()})

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for part, chosen in coupon_limits.numbers(self.instance.goods).items():
            if part in self.fields and chosen:
                rows = coupon_limits.model_of(part).objects.filter(store=self.instance.store_id, woo_id__in=chosen)
                self.initial[part] = [row.pk for row in rows]

    def clean(self):
        values = super().clean()
        store = self.instance.store if self.instance.store_id else values.get("store")
        chosen = {part: values.get(part) or [] for part in coupon_limits.PARTS}
        for part, things in chosen.items():
            if any(thing.store_id != (store and store.pk) for thing in things):
                self.add_error(part, ValidationError(_("Choose from this store's.")))
            if len(things) > coupon_limits.MOST:
                self.add_error(
                    part, ValidationError(_("Choose at most %(most)s."), params={"most": coupon_limits.MOST})
                )
        self.instance.goods = coupon_limits.described(chosen)
        return values

    def _get_validation_exclusions(self):
        # It is no field of the form, and what the database wants of it is to be said here all the same.
        return super()._get_validation_exclusions() - {"goods"}


class GoodsAdmin:
    """For the ModelAdmin of that form: what may be chosen is of one's own stores."""

    def get_fieldsets(self, request, obj=None):
        """In words for those who may not choose: Django shows them fields of the model alone."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        first, *others = coupon_limits.PARTS
        return [
            (
                name,
                options
                | {"fields": ["goods_shown" if f == first else f for f in options["fields"] if f not in others]},
            )
            for name, options in fieldsets
        ]

    @display(description=_("In words"))
    def goods_shown(self, reward):
        return " ".join(coupon_limits.sentences(reward.terms)) or "–"

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change, **kwargs)
        # Copies: the fields as declared are shared by all requests.
        for part in coupon_limits.PARTS:
            if part in form.base_fields:
                form.base_fields[part] = copy.deepcopy(form.base_fields[part])
                model = coupon_limits.model_of(part)
                form.base_fields[part].queryset = of_ones_stores(model, request.user, self.add_roles)
        return form
