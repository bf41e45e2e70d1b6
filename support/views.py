"""The customer's door: their own tickets, in the portal of one store."""

from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from crm.orders.models import Order
from crm.portal.access import customer_required
from crm.portal.losses import losses

from . import erasure, tickets
from .forms import ErasureForm, ReplyForm, TicketForm
from .models import Message, Ticket

# For one person in one store. Nobody types faster; a script does.
MESSAGES_ALLOWED, WITHIN = 10, timedelta(minutes=10)


@never_cache
@require_safe
@customer_required
def index(request, slug):
    page = Paginator(_own(request).order_by("-last_message_at", "-pk"), 20).get_page(request.GET.get("page"))
    return render(request, "support/tickets.html", {"page": page})


@never_cache
@customer_required
def new(request, slug):
    """Ask something, about an order or not; `?order=<number>` chooses it beforehand."""
    orders = _own_orders(request)
    if request.method != "POST":
        chosen = orders.filter(number=request.GET.get("order", "")).newest_first().first()
        form = TicketForm(orders=orders, initial={"order": chosen and chosen.pk})
        return render(request, "support/new.html", {"form": form})
    form = TicketForm(request.POST, orders=orders)
    status = _refusal(request, form)
    if status:
        return render(request, "support/new.html", {"form": form}, status=status)
    order = form.cleaned_data["order"]
    ticket = tickets.open(
        request.store,
        subject=form.cleaned_data["subject"],
        text=form.cleaned_data["text"],
        type=form.cleaned_data["type"],
        channel=Ticket.Channel.PORTAL,
        customer=(order and order.customer) or request.customer,
        order=order,
        email=request.email,
        language=request.LANGUAGE_CODE,
        cause=form.cause(request.customer.pk),
    )
    messages.success(request, _("We have your question. The answer will come by email and appear here."))
    return redirect("portal-ticket", slug, ticket.number)


@never_cache
@customer_required
def conversation(request, slug, number):
    """What was said, oldest first, and a box to answer. Notes of staff are not in it."""
    ticket = _own(request).filter(number=number).select_related("order", "store").first()
    if ticket is None:
        raise Http404
    form, status = ReplyForm(), 200
    if request.method == "POST":
        form = ReplyForm(request.POST)
        status = _refusal(request, form)
        if not status:
            cause = form.cause(request.customer.pk)
            message = tickets.reply_from_customer(ticket, form.cleaned_data["text"], cause=cause)
            return redirect(f"{request.path}#message-{message.pk}")
    said = ticket.messages.public().select_related("author")
    return render(request, "support/conversation.html", {"ticket": ticket, "said": said, "form": form}, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@customer_required
def erase(request, slug):
    """What having one's data deleted means, and, once one's own address is typed, the wish itself."""
    form, status = ErasureForm(request.POST if request.method == "POST" else None, email=request.email), 200
    if form.is_valid():
        erasure.ask(
            request.store, request.customer, request.customers, request.email, request.LANGUAGE_CODE, timezone.now()
        )
        return redirect("portal-erase", slug)
    if form.is_bound:
        status = 400
    ticket = erasure.asked(request.store, request.customers, request.email)
    context = {"form": form, "ticket": ticket, "losses": [] if ticket else losses(request)}
    return render(request, "support/erase.html", context, status=status)


def open_tickets(request) -> dict:
    """What the card on the portal's first page shows."""
    return {"tickets": list(_own(request).active().order_by("-last_message_at")[:3])}


def _own(request):
    return Ticket.objects.of_person(request.store, request.customers, request.email)


def _own_orders(request):
    return Order.objects.existing().filter(store=request.store, customer__in=request.customers).select_related("store")


def _refusal(request, form) -> int | None:
    """The status to refuse a form with, which then says why; None if it is right and the person has not sent too many."""
    if not form.is_valid():
        return 400
    since = timezone.now() - WITHIN
    sent = Message.objects.filter(ticket__in=_own(request), author_kind=Message.Author.CUSTOMER, created_at__gte=since)
    if sent.count() >= MESSAGES_ALLOWED:
        form.add_error(
            None, _("You have sent many messages in a short time. Please wait ten minutes and send this again.")
        )
        return 429
    return None
