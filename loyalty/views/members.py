"""Taking part: joining and leaving, one's tier, birthday and friends, and the page that a friend is led to."""

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.portal.access import customer_required, with_store
from crm.stores import formats, links

from .. import (
    birthdays,
    expiry,
    friends,
    members,
    occasions,
    profiles,
    programs,
    reaching,
    referrals,
    sharing,
    statements,
)
from ..forms import BirthdayForm, FriendForm
from ..models import Account, Birthday, Member, Occasion, Referral

Way = Member.Way


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
        return redirect("loyalty-points", slug)
    members.join(request.store, request.customer, Way.PORTAL, timezone.now())
    note_sighting(request)
    messages.success(request, _("Welcome! From now on your orders earn points."))
    return redirect("loyalty-points", slug)


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
    program, at = _program(request), timezone.now()
    if not members.membership(program, request.customers).is_member:
        raise Http404
    form = BirthdayForm(request.POST)
    if not form.is_valid():
        return _membership_page(request, form, status=400)
    try:
        row = birthdays.enter(request.store, request.customer, form.cleaned_data["month"], form.cleaned_data["day"], at)
    except birthdays.TooSoon as error:
        form.add_error(None, _("You can change it again from %(day)s on.") % {"day": formats.day(error.on)})
        return _membership_page(request, form, status=400)
    profiles.reward(request.store, at, [row.customer_id])
    messages.success(request, _("Saved."))
    return redirect("loyalty-membership", slug)


@require_POST
@customer_required
def share(request, slug):
    """Who told others says so here: that others were told can't be seen from here."""
    program = _program(request)
    if not members.membership(program, request.customers).is_member:
        raise Http404
    points = sharing.share(request.store, request.customer, timezone.now())
    if points:
        said = ngettext("Thank you! %(points)s point is yours.", "Thank you! %(points)s points are yours.", points)
        messages.success(request, said % {"points": formats.number(points)})
    else:
        messages.success(request, _("Thank you!"))
    return redirect(f"{reverse('loyalty-membership', args=[slug])}#share")


@require_POST
@customer_required
def link(request, slug):
    """Make the link that one invites friends with."""
    program = _program(request)
    if referrals.terms_of(request.store) is None or not members.membership(program, request.customers).is_member:
        raise Http404
    referrals.make_code(request.store, request.customer)
    note_sighting(request)
    return redirect(f"{reverse('loyalty-membership', args=[slug])}#friends")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@with_store
def invited(request, slug, code):
    """A friend leaves an address. The answer is the same for everybody: it must not tell who is a customer already."""
    terms, member = referrals.terms_of(request.store), referrals.member_of(request.store, code)
    if terms is None or member is None:
        raise Http404
    form = FriendForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid() and not ratelimit.consume(
            request, action="accept_invitation", key=form.cleaned_data["email"]
        ):
            form.add_error("email", _("Too many attempts. Please wait a few minutes, then try again."))
            status = 429
        elif form.is_valid():
            # Whoever is signed in as the member sits at the member's device.
            own = Referral.Flag.DEVICE if request.email and request.email == member.email else None
            referrals.invite(terms, member, form.cleaned_data["email"], _trace(request), timezone.now(), own and [own])
            return redirect(f"{request.path}?done=1")
    context = {"terms": terms, "name": member.first_name, "form": form, "done": "done" in request.GET}
    return render(request, "loyalty/invited.html", context, status=status)


def _membership_page(request, form=None, status=200):
    program, store, at = programs.of(request.store), request.store, timezone.now()
    context = {"program": program}
    if program:
        customers = list(request.customers)
        row = Birthday.objects.filter(customer__in=customers).first()
        worth = {occasion.kind: occasion.points for occasion in occasions.active(store)}
        gift = worth.get(Occasion.Kind.BIRTHDAY, 0)
        accounts = Account.objects.for_store(store).points().filter(customer__in=customers)
        terms = referrals.terms_of(store)
        code = referrals.code_of(request.customer) if terms else ""
        address = links.address(reverse("loyalty-invited", args=[store.slug, code])) if code else ""
        profile, share = worth.get(Occasion.Kind.PROFILE, 0), worth.get(Occasion.Kind.SOCIAL_SHARE, 0)
        progress = reaching.progress(program, [customer.pk for customer in customers], at)
        summary = statements.summary(store, customers)
        context |= {
            "lost": statements.lost_by_leaving(summary, progress and progress.tier, customers) if summary else [],
            "membership": members.membership(program, customers),
            "form": form or BirthdayForm(initial={"day": row.day, "month": row.month} if row else {}),
            "birthday": row and birthdays.words(row),
            "gift": gift,
            "next_gift": row and gift and birthdays.next_gift(row, store, at),
            "progress": progress,
            "expiring": expiry.upcoming(store, accounts.values("pk")),
            "terms": terms,
            "link": address,
            "invite_links": sharing.links(store, address) if address else [],
            "friends": friends.of(customers) if terms else [],
            "profile": profile,
            "missing": profiles.missing(request.customer, row) if profile else [],
            "share": share,
            "networks": sharing.links(store, address or store.url) if share else [],
            "has_shared": share and sharing.has_shared(customers),
        }
    return render(request, "loyalty/membership.html", context, status=status)


def _trace(request):
    ip = get_adapter().get_client_ip(request)
    return referrals.trace(request.store, ip, request.headers.get("User-Agent", ""))


def note_sighting(request):
    if referrals.terms_of(request.store):
        referrals.note_sighting(request.store, request.customer, _trace(request), timezone.now())


def _program(request):
    program = programs.of(request.store)
    if program is None:
        raise Http404
    return program
