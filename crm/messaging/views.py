"""The local mailbox, and the page where a person says what mail is welcome."""

from functools import wraps

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import mailbox, preview
from .checks import MAILBOX
from .models import MailboxMessage

PAGE = 50


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
        "now": timezone.now(),
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


def _is_number(text):
    return text.isdecimal() and len(text) < 19
