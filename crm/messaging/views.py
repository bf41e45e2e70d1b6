"""The local mailbox, and the page where a person says what mail is welcome."""

from functools import wraps

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from crm.portal import access
from crm.stores import links

from . import compose, consent, gate, mailbox, preview
from .checks import MAILBOX
from .kinds import Purpose
from .models import MailboxMessage, Message

PAGE = 50
# What the page asks about beside news: the field's name and the purpose.
ASKED = {"reviews": Purpose.REVIEW, "points": Purpose.LOYALTY, "gifts": Purpose.GIFT}


def mailbox_only(view):
    """The mailbox exists only where mail is really kept in it."""

    @wraps(view)
    def wrapper(request, *args, **kwargs):
        if settings.EMAIL_BACKEND != MAILBOX:
            raise Http404
        return view(request, *args, **kwargs)

    return never_cache(require_safe(wrapper))


@mailbox_only
@csp_update({"frame-src": [SELF]})
def mailbox_list(request, pk=None):
    """Newest first, fifty at a time; the mail that is open stands beside the list."""
    mails = MailboxMessage.objects.defer("raw").order_by("-pk")
    if wanted := request.GET.get("to", "").strip():
        mails = mails.filter(recipients__icontains=wanted)
    before = request.GET.get("before", "")
    page = list((mails.filter(pk__lt=int(before)) if _is_number(before) else mails)[: PAGE + 1])
    context = {
        "mails": page[:PAGE],
        "older": page[PAGE - 1].pk if len(page) > PAGE else None,
        "wanted": wanted,
    }
    if pk is not None:
        message = get_object_or_404(MailboxMessage, pk=pk)
        mail = mailbox.parsed(message)
        context |= {
            "open": message,
            "has_html": bool(mailbox.part(mail, "html")),
            "text": mailbox.part(mail, "plain"),
            "headers": list(mail.items()),
        }
    return render(request, "messaging/mailbox.html", context)


@mailbox_only
def mailbox_html(request, pk):
    html = mailbox.part(mailbox.parsed(get_object_or_404(MailboxMessage, pk=pk)), "html")
    if not html:
        raise Http404
    return preview.response(html)


# Whoever holds the link may decide, with or without a session: there is nothing that a forged request could borrow. And
# mail programs that unsubscribe by themselves (RFC 8058) send no cookie and no token of ours.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request, token):
    """Whether a person wants news, mail about their points, gifts from others, and to be asked for reviews. Looking changes nothing: programs look at every link in a mail."""
    try:
        store_id, pk, _extra = links.read(compose.PREFERENCES, token, compose.PREFERENCES_AGE)
    except links.BadLink:
        raise Http404 from None
    message = get_object_or_404(Message.objects.select_related("store"), store=store_id, pk=pk)
    store, address = message.store, message.recipient
    if request.POST.get("List-Unsubscribe") == "One-Click":
        consent.withdraw(store, address, purpose=message.ends, source="one-click", proof={"message": pk})
        return HttpResponse(status=204)
    if request.method == "POST":
        purpose = next((purpose for name, purpose in ASKED.items() if name in request.POST), Purpose.MARKETING)
        say = consent.give if "on" in map(request.POST.get, ("news", *ASKED)) else consent.withdraw
        proof = {"message": pk, "language": message.language}
        say(store, address, purpose=purpose, source="preferences page", proof=proof)
        return redirect(f"{request.path}?saved={purpose}")
    access.dress(request, store, message.language)
    wants = {name: not consent.is_refused(store, address, purpose) for name, purpose in ASKED.items()}
    context = wants | {
        "masked": _masked(address),
        "news": consent.is_given(store, address),
        "has_points": message.purpose == Purpose.LOYALTY or not wants["points"],
        "has_gifts": message.purpose == Purpose.GIFT or not wants["gifts"],
        "suppressed": gate.is_suppressed(store.pk, address),
        "saved": request.GET.get("saved"),
    }
    return render(request, "messaging/preferences.html", context)


def _masked(address):
    """Enough to know one's own address by: a forwarded mail should not tell it."""
    name, _at, domain = address.partition("@")
    return f"{name[:2]}{'•' * max(len(name) - 2, 1)}@{domain}" if domain else ""


def _is_number(text):
    return text.isdecimal() and len(text) < 19
