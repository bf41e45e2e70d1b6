"""What customers and their friends fill in on the portal's pages."""

from datetime import date

from allauth.account.adapter import get_adapter
from allauth.core import context, ratelimit
from babel.dates import get_month_names
from django import forms
from django.utils.translation import gettext_lazy as _

from crm.messaging.mailboxes import mailbox
from crm.stores.formats import locale


def months() -> list[tuple[int, str]]:
    return sorted(get_month_names("wide", "stand-alone", locale=locale()).items())


class BirthdayForm(forms.Form):
    day = forms.TypedChoiceField(label=_("Day of the month"), coerce=int, choices=[(day, day) for day in range(1, 32)])
    month = forms.TypedChoiceField(label=_("Month"), coerce=int, choices=months)

    def clean(self):
        values = super().clean()
        if {"day", "month"} <= values.keys():
            try:
                date(2024, values["month"], values["day"])
            except ValueError:
                raise forms.ValidationError(_("That month has no such day.")) from None
        return values


class FriendForm(forms.Form):
    email = forms.EmailField(
        label=_("Email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
        help_text=_("Order with this address."),
    )


class JoinForm(forms.Form):
    """Has the mail sent sparingly: for each mailbox, however its address is written, and for each network."""

    email = forms.EmailField(
        label=_("Email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )

    def clean_email(self):
        email = self.cleaned_data["email"].lower()
        if not ratelimit.consume(context.request, action="join_by_mail", key=mailbox(email)):
            raise get_adapter().validation_error("rate_limited")
        return email


class GiftForm(forms.Form):
    recipient = forms.EmailField(
        label=_("Who is it for?"),
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "inputmode": "email"}),
        help_text=_("We send the gift card to this email address. Leave it empty to hand it over yourself."),
    )
    message = forms.CharField(
        label=_("Your message"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
