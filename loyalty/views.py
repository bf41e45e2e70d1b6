"""Points in the portal."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.portal.access import customer_required
from crm.stores import formats

from . import birthdays, members, programs, statements, ways
from .forms import BirthdayForm
from .models import Birthday, Member

Way = Member.Way


@never_cache
@require_GET
@customer_required
def points(request, slug):
    """The balance, and each entry with its reason. `?before=` a page's last entry shows what is older."""
    summary = statements.summary(request.store, request.customers)
    context = {"summary": summary}
    if summary:
        before = request.GET.get("before", "")
        # Within what a bigint can be compared with.
        before = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        context["before"] = before
        context["lines"], context["older"] = statements.lines(summary.accounts, before)
        # Whoever turns the pages of the statement has seen it.
        context["ways"] = [] if before else ways.of(summary.program, timezone.now(), summary.tiers)
    return render(request, "loyalty/points.html", context)


@never_cache
@require_GET
@customer_required
def membership(request, slug):
    """Whether one takes part, and what belongs to it."""
    return _membership_page(request)


@require_POST
@customer_required
def join(request, slug):
    program = _program(request)
    if members.membership(program, request.customers).is_member:
        return redirect("loyalty-membership", slug)
    members.join(request.store, request.customer, Way.PORTAL, timezone.now())
    messages.success(request, _("Welcome! From now on your orders earn points."))
    return redirect("loyalty-membership", slug)


@require_POST
@customer_required
def leave(request, slug):
    """Ends all of this person's parts: a second account of the same address would go on collecting."""
    program, at = _program(request), timezone.now()
    left = [members.leave(program, customer, Way.PORTAL, at) for customer in request.customers.filter(joined_to=None)]
    if row := next(filter(None, left), None):
        until = formats.day(row.points_until, request.store.timezone)
        messages.success(
            request, _("You have left. If you come back by %(day)s, your points are still there.") % {"day": until}
        )
    return redirect("loyalty-membership", slug)


@never_cache
@require_POST
@customer_required
def birthday(request, slug):
    program = _program(request)
    if not members.membership(program, request.customers).is_member:
        raise Http404
    form = BirthdayForm(request.POST)
    if not form.is_valid():
        return _membership_page(request, form, status=400)
    try:
        birthdays.enter(
            request.store, request.customer, form.cleaned_data["month"], form.cleaned_data["day"], timezone.now()
        )
    except birthdays.TooSoon as error:
        form.add_error(None, _("You can change it again from %(day)s on.") % {"day": formats.day(error.on)})
        return _membership_page(request, form, status=400)
    messages.success(request, _("Saved."))
    return redirect("loyalty-membership", slug)


def _membership_page(request, form=None, status=200):
    program, at = programs.of(request.store), timezone.now()
    context = {"program": program}
    if program:
        row = Birthday.objects.filter(customer__in=request.customers).first()
        initial = {"day": row.day, "month": row.month} if row else {}
        context |= {
            "membership": members.membership(program, request.customers),
            "form": form or BirthdayForm(initial=initial),
            "birthday": row and birthdays.words(row),
            "gift": (gift := birthdays.points_on(request.store)),
            "next_gift": row and gift and birthdays.next_gift(row, request.store, at),
        }
    return render(request, "loyalty/membership.html", context, status=status)


def _program(request):
    program = programs.of(request.store)
    if program is None:
        raise Http404
    return program
