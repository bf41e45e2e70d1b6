"""What customers and staff type into tickets."""

import uuid

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from crm.orders.models import Order
from crm.stores import formats

from .models import Ticket
from .tickets import LONGEST_TEXT, customer_of

# As many of the newest orders as a select on a phone can bear; an older one comes by its page's link.
ORDERS_OFFERED = 30


class PlainTextField(forms.CharField):
    """A message. The bound is told instead of set as `maxlength`, which would cut a pasted text without a word."""

    widget = forms.Textarea
    default_error_messages = {
        "max_length": _(
            "At most %(limit_value)d characters fit in one message; this one has %(show_value)d. Shorten it, or send the rest as a second message."
        )
    }

    def __init__(self, **options):
        super().__init__(max_length=LONGEST_TEXT, **options)

    def to_python(self, value):
        # Browsers send two characters for each line break that people see as one.
        return super().to_python(value).replace("\r\n", "\n").replace("\r", "\n")

    def widget_attrs(self, widget):
        return {}


class KeyedForm(forms.Form):
    """`key` makes a form that is sent twice write once."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, initial=None, **options):
        super().__init__(*args, initial={"key": uuid.uuid4(), **(initial or {})}, **options)

    def cause(self, who) -> str:
        """The cause of what this form writes for this person."""
        key = self.cleaned_data["key"]
        return f"form:{who}:{key}" if key else ""


class TicketForm(KeyedForm):
    # A review follow-up is opened by a review.
    TYPES = [(value, label) for value, label in Ticket.Type.choices if value != Ticket.Type.REVIEW]

    order = forms.ModelChoiceField(Order.objects.none(), label=_("Order"), required=False)
    type = forms.ChoiceField(label=_("What is it about?"), choices=TYPES)
    subject = forms.CharField(label=_("Subject"), max_length=200)
    text = PlainTextField(label=_("Your message"))

    def __init__(self, *args, orders, **options):
        """`orders` are the customer's own: no other can be chosen."""
        super().__init__(*args, **options)
        field = self.fields["order"]
        field.queryset = orders
        chosen = self["order"].value()
        newest = list(orders.newest_first()[:ORDERS_OFFERED])
        if chosen and str(chosen) not in {str(order.pk) for order in newest}:
            newest += orders.filter(pk=chosen) if str(chosen).isdigit() else []
        field.widget.choices = [("", _("No particular order")), *((order.pk, _order_label(order)) for order in newest)]
        for name, bound in self.fields.items():
            if self.is_bound and name in self.errors:
                bound.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"{name}-error"}


class ErasureForm(forms.Form):
    """Sent by nobody by accident: one's own address has to be typed."""

    email = forms.CharField(
        label=_("Type your email address to confirm"),
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "inputmode": "email"}),
    )

    def __init__(self, *args, email, **options):
        super().__init__(*args, **options)
        self.own = email

    def clean_email(self):
        if self.cleaned_data["email"].strip().lower() != self.own:
            raise forms.ValidationError(_("This is not the address you are signed in with."))
        return self.own


class ReplyForm(KeyedForm):
    text = PlainTextField(label=_("Your answer"), widget=forms.Textarea({"rows": 5}))

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if self.is_bound and "text" in self.errors:
            self.fields["text"].widget.attrs |= {"aria-invalid": "true", "aria-describedby": "text-error"}


class DeskForm(KeyedForm):
    """Staff's answer or note, and what becomes of the ticket with it."""

    REPLY, NOTE = "reply", "note"
    STAY, WAIT, RESOLVE = "stay", "wait", "resolve"

    kind = forms.ChoiceField(choices=[(REPLY, _("Reply")), (NOTE, _("Note"))])
    then = forms.ChoiceField(choices=[(STAY, STAY), (WAIT, WAIT), (RESOLVE, RESOLVE)], required=False)
    # The last message on the page that was answered from.
    seen = forms.IntegerField(widget=forms.HiddenInput)
    text = PlainTextField(label=_("Text"))


class CallForm(forms.ModelForm):
    """What a customer said to a member of staff, by telephone for instance."""

    CHANNELS = [Ticket.Channel.PHONE, Ticket.Channel.CHAT, Ticket.Channel.MAIL]

    email = forms.EmailField(
        label=_("The customer's e-mail"),
        required=False,
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("Answers go there, and by it the customer is found."),
    )
    order_number = forms.CharField(label=_("Order number"), required=False, widget=UnfoldAdminTextInputWidget)
    text = PlainTextField(label=_("What the customer said"), widget=UnfoldAdminTextareaWidget)

    class Meta:
        model = Ticket
        fields = ["store", "channel", "type", "priority", "subject", "email"]

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.fields["channel"].choices = [(channel.value, channel.label) for channel in self.CHANNELS]

    def clean(self):
        """Adds `customer` and `order`, each of the chosen store or None."""
        values = super().clean()
        store, number = values.get("store"), values.get("order_number", "").removeprefix("#")
        values["order"] = values["customer"] = None
        if store and number:
            values["order"] = Order.objects.for_store(store).filter(number=number).newest_first().first()
            if values["order"] is None:
                self.add_error("order_number", _("This store has no order of this number."))
        if store and values.get("email"):
            values["customer"] = customer_of(store, values["email"])
        return values


def _order_label(order) -> str:
    when = f", {formats.day(order.date_created_gmt, order.store.timezone)}" if order.date_created_gmt else ""
    return f"#{order.number}{when}, {formats.money(order.total, order.currency)}"
