from django import forms
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from . import colours, pictures
from .addresses import store_at
from .models import ApiKey, StoreLogo, hex_colour


class Words(forms.CharField):
    """A list of short texts, written with commas between them."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value):
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value):
        return [word.strip() for word in super().to_python(value).split(",") if word.strip()]


class StoreForm(forms.ModelForm):
    logo_file = forms.FileField(
        label=_("Logo"),
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=_("PNG, JPEG or WebP of at most 200 kB; shown 40 pixels high on the brand's colour."),
    )
    remove_logo = forms.BooleanField(label=_("Remove the logo"), required=False, widget=UnfoldBooleanSwitchWidget)
    languages = forms.MultipleChoiceField(
        label=_("Languages offered"), choices=settings.LANGUAGES, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    paid_statuses = Words(
        label=_("Statuses that mean paid"), help_text=_("WooCommerce's short names, with commas between them.")
    )
    # What is stored is never shown again; what is left empty stays.
    new_consumer_key = forms.CharField(
        label=_("New consumer key"),
        required=False,
        max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Begins with ck_. Leave empty to keep the one that is stored."),
    )
    new_consumer_secret = forms.CharField(
        label=_("New consumer secret"),
        required=False,
        max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Begins with cs_. Leave empty to keep the one that is stored."),
    )

    class Meta:
        # Model and fields are named by the admin page.
        widgets = {"brand_color": UnfoldAdminColorInputWidget, "brand_ink": UnfoldAdminColorInputWidget}

    def clean_url(self):
        url = self.cleaned_data["url"]
        if twin := store_at(url, besides=self.instance.pk):
            raise forms.ValidationError(
                _("%(store)s is connected to this shop already. One shop is one store."), params={"store": twin.name}
            )
        return url

    def clean_logo_file(self):
        upload = self.cleaned_data["logo_file"]
        if not upload:
            return None
        if upload.size > pictures.MAX_BYTES:
            raise forms.ValidationError(
                _("This file has %(size)s; 200 kB is the most."), params={"size": filesizeformat(upload.size)}
            )
        data = upload.read()
        if not pictures.media_type(data):
            raise forms.ValidationError(_("This is no PNG, JPEG or WebP picture."))
        return data

    def clean(self):
        values = super().clean()
        colour, ink = values.get("brand_color", ""), values.get("brand_ink", "")
        # The model says what is wrong with one that is no colour at all.
        both = hex_colour.regex.match(colour) and hex_colour.regex.match(ink)
        if both and colours.contrast(colour, ink) < colours.READABLE:
            self.add_error(
                "brand_ink",
                _("Text in this colour can't be read on the brand's colour. Choose a lighter or darker one."),
            )
        if values.get("language") and values.get("languages") and values["language"] not in values["languages"]:
            self.add_error("language", _("The store's own language is one of those it offers."))
        return values

    def save(self, commit=True):
        store, values = self.instance, self.cleaned_data
        if data := values["logo_file"]:
            store.logo_type = pictures.media_type(data)
        elif values["remove_logo"]:
            store.logo_type = ""
        store.consumer_key = values["new_consumer_key"].strip() or store.consumer_key
        store.consumer_secret = values["new_consumer_secret"].strip() or store.consumer_secret
        return super().save(commit)

    def save_logo(self):
        """Once the store is saved: keep the new logo, or remove the old one."""
        if data := self.cleaned_data["logo_file"]:
            StoreLogo.objects.update_or_create(store=self.instance, defaults={"body": data})
        elif self.cleaned_data["remove_logo"]:
            StoreLogo.objects.filter(store=self.instance).delete()


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=ApiKey.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ["store", "name", "scopes", "expires_at"]
