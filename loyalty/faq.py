"""What people ask about a programme, answered from what its owner has set."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.stores.formats import money, number

from . import explaining, programs
from .models import Program


@dataclass(frozen=True)
class Question:
    question: str
    answer: str


def of(program: Program) -> list[Question]:
    """Questions and answers in the active language; no queries."""
    asked = [
        Question(_("What counts?"), _("Of each order: %(what)s.") % {"what": explaining.what_counts(program.rule)}),
        Question(
            _("How do I see my points?"),
            _("Enter your address above: we send you a link to them. You need no password."),
        ),
        Question(
            _("I ordered with another address. Where are my points?"),
            _("Points belong to the address that the order was placed with. Ask us, and we look at it together."),
        ),
    ]
    if program.point_value:
        asked.insert(0, Question(_("What are points worth?"), _worth(program)))
    return asked


def small_print(program: Program) -> list[Question]:
    """What one should have read before one joins, in the active language; no queries."""
    return [
        Question(_("When can I use my points?"), _usable(program)),
        Question(_("Do points expire?"), _expiry(program)),
        Question(_("What happens when I send something back?"), _sent_back(program)),
        Question(_("Can I leave?"), _leaving(program)),
        Question(
            _("What do you know about me?"),
            _(
                "What you ordered here and the points of it. Your birthday and your friends only if you tell us."
                " Once signed in you can download all of it, or have it deleted."
            ),
        ),
    ]


def worth(program: Program) -> tuple[int, str] | None:
    """A handy number of points and what they are worth: `(500, "₹50.00")`; None where points have no value that is shown."""
    if not program.point_value:
        return None
    # The first round number that buys something.
    unit = programs.UNITS.get(program.store.currency, 1)
    points = next(p for n in range(20) for p in (10**n, 5 * 10**n) if p * program.point_value >= unit)
    return points, money(program.worth(points) or 0, program.store.currency)


def _worth(program) -> str:
    points, value = worth(program) or (0, "")
    text = ngettext("%(points)s point is worth %(money)s.", "%(points)s points are worth %(money)s.", points)
    return text % {"points": number(points), "money": value}


def _usable(program) -> str:
    if not program.pending_days:
        return _("At once, as soon as the order is paid.")
    text = ngettext(
        "%(days)s day after the order has arrived, when you are likely to keep it.",
        "%(days)s days after the order has arrived, when you are likely to keep it.",
        program.pending_days,
    )
    return text % {"days": number(program.pending_days)}


def _expiry(program) -> str:
    months = {"months": number(program.expiry_months)}
    if program.expiry == program.Expiry.LOT:
        text = ngettext(
            "Each earning does, %(months)s month after it can be used. We write to you 30 and 7 days before.",
            "Each earning does, %(months)s months after it can be used. We write to you 30 and 7 days before.",
            program.expiry_months,
        )
        return text % months
    if program.expiry == program.Expiry.INACTIVITY:
        text = ngettext(
            "Only if you neither earn nor spend any for %(months)s month. We write to you 30 and 7 days before.",
            "Only if you neither earn nor spend any for %(months)s months. We write to you 30 and 7 days before.",
            program.expiry_months,
        )
        return text % months
    return _("No.")


def _sent_back(program) -> str:
    said = [_("The points of what you send back are taken off again, and no others.")]
    if program.negative_balance:
        said.append(
            _("If you have spent them by then, your balance goes below zero, and what you earn next makes up for it.")
        )
    said.append(_("Whether points come back that you had spent on the order is said with each reward."))
    return " ".join(said)


def _leaving(program) -> str:
    text = ngettext(
        "Yes, at any time. Your points are kept for %(days)s day, in case you change your mind, and then they are gone.",
        "Yes, at any time. Your points are kept for %(days)s days, in case you change your mind, and then they are gone.",
        program.leaving_days,
    )
    return text % {"days": number(program.leaving_days)}
