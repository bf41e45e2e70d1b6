"""The page behind the link in a review request. It needs no log-in, and looking at it changes nothing."""

from datetime import timedelta

from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm.portal.access import dress
from crm.stores import links

from . import answers, invitations
from .forms import ItemForm, NameForm, suggested_name
from .models import Answer


@never_cache
@require_http_methods(["GET", "POST"])
def review(request, token):
    invitation, closed = _open(request, token)
    if closed:
        return closed
    forms = _forms(request, invitation)
    if not forms:
        return render(request, "reviews/closed.html", {"reason": "nothing"})
    data = request.POST if request.method == "POST" else None
    name = NameForm(data, initial={"shown_name": _shown_name(invitation)})
    missing = False
    # Every form is asked, so that each shows its errors.
    valid = [form.is_valid() for form in [name, *forms]]
    if all(valid):
        said = [answers.Said(form.line, **form.cleaned_data) for form in forms if form.is_open and form.says_something]
        if said:
            answers.save(invitation, said, name.cleaned_data["shown_name"], timezone.now())
            return redirect("review-thanks", token)
        missing = True
    context = {"invitation": invitation, "order": invitation.order, "forms": forms, "name": name, "missing": missing}
    return render(request, "reviews/review.html", context)


@never_cache
@require_GET
def thanks(request, token):
    invitation, closed = _open(request, token)
    if closed:
        return closed
    given = list(invitation.answers.all())
    context = {
        "token": token,
        "order": invitation.order,
        "low": any(answer.score and answer.score <= Answer.LOW for answer in given),
        "not_received": any(answer.not_received for answer in given),
        "may_change": any(answer.is_open for answer in given),
    }
    return render(request, "reviews/thanks.html", context)


def _open(request, token):
    """`(invitation, None)` of a token, its store's look put on, or `(None, response)` that says kindly why there is none."""
    try:
        store_id, pk, _extra = links.read(invitations.PURPOSE, token, invitations.VALID_FOR)
        expired = False
    except links.BadLink:
        try:
            store_id, pk, _extra = links.read(invitations.PURPOSE, token, timedelta(days=36500))
        except links.BadLink:
            # Nobody's link: there is no store whose look or contact we could show.
            return None, render(request, "portal/bad_link.html", status=404)
        expired = True
    invitation = invitations.find(store_id, pk)
    if invitation is None:
        return None, render(request, "portal/bad_link.html", status=404)
    dress(request, invitation.store, invitation.customer.language if invitation.customer else None)
    if expired or not invitations.is_open(invitation.order):
        reason = "expired" if expired else "gone"
        return None, render(request, "reviews/closed.html", {"reason": reason}, status=410)
    return invitation, None


def _forms(request, invitation):
    given = {answer.line_id: answer for answer in invitation.answers.all()}
    lines = invitations.reviewable(invitation.order)
    data = request.POST if request.method == "POST" else None
    preset = request.GET.get("stars", "")
    return [
        ItemForm(
            data,
            line=line,
            answer=given.get(line.pk),
            preset=int(preset) if preset in set("12345") and len(lines) == 1 else None,
        )
        for line in lines
    ]


def _shown_name(invitation):
    given = next((answer.shown_name for answer in invitation.answers.all() if answer.shown_name), "")
    return given or suggested_name(invitation.order)
