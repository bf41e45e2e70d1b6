from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget

from .models import Answer

WORDS = {5: _("Excellent"), 4: _("Good"), 3: _("All right"), 2: _("Poor"), 1: _("Very poor")}


class ItemForm(forms.Form):
    """One item: stars, words, or "it never arrived". Left empty, the item is skipped."""

    score = forms.TypedChoiceField(
        label=_("Stars"),
        choices=list(WORDS.items()),
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
    )
    text = forms.CharField(
        label=_("What would you tell others about it?"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    not_received = forms.BooleanField(label=_("I have not received this"), required=False)

    def __init__(self, *args, line, answer=None, preset=None, **kwargs):
        self.line, self.answer = line, answer
        initial = {"score": preset}
        if answer:
            initial = {"score": answer.score, "text": answer.text, "not_received": answer.not_received}
        super().__init__(*args, prefix=f"item-{line.pk}", initial=initial, **kwargs)

    @property
    def is_open(self) -> bool:
        return self.answer is None or self.answer.is_open

    @property
    def stars(self) -> list[dict]:
        """What the template draws: `{value, word, filled, empty, checked}` from five down to one."""
        chosen = str(self["score"].value() or "")
        return [
            {"value": n, "word": word, "filled": "★" * n, "empty": "☆" * (5 - n), "checked": str(n) == chosen}
            for n, word in WORDS.items()
        ]

    def clean(self):
        values = super().clean()
        values["text"] = values.get("text", "").strip()
        if values["text"] and not values.get("score") and not values.get("not_received") and "score" not in self.errors:
            self.add_error("score", _("Please choose a number of stars, too."))
        return values

    @property
    def says_something(self) -> bool:
        return bool(self.cleaned_data.get("score") or self.cleaned_data.get("not_received"))


class NameForm(forms.Form):
    shown_name = forms.CharField(
        label=_("Name shown with the review"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "nickname"}),
    )

    def clean_shown_name(self):
        return " ".join(self.cleaned_data["shown_name"].split())


def suggested_name(order) -> str:
    """`Asha K.`: enough to be a person, too little to be found by."""
    first, last = order.first_name.strip(), str(order.billing.get("last_name") or "").strip()
    return f"{first} {last[:1]}.".strip() if first and last else first


class DecisionForm(forms.ModelForm):
    """What staff do with a review that waits. There is no way to hold one back without a reason, and no score is one."""

    PUBLISH = "publish"

    decision = forms.ChoiceField(
        label=_("Decision"),
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
        choices=[
            ("", _("Decide later")),
            (PUBLISH, _("Publish it in the shop")),
            *(
                (value, _("Hold it back: %(reason)s") % {"reason": label})
                for value, label in Answer.DeclineReason.choices
            ),
        ],
    )
