"""Joining in one step: an address gets one mail, whose link signs in and joins at once.

Everybody gets the same mail, whether or not the store knows the address: neither the page nor the mailbox of a stranger tells who is a
customer. Whoever has no order yet becomes a guest, as with a first order, but only once the link has proven the address.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from crm.messaging import gate
from crm.orders.customers import make_guest
from crm.portal import mail
from crm.portal.access import customers_of, main_of
from crm.stores import links
from crm.stores.models import Store
from crm.work.wake import wake

from . import members, programs
from .members import Membership
from .models import JoinLink

PURPOSE = "loyalty.join"


class Used(Exception):
    """The link has been used: it works once."""


@transaction.atomic
def ask(store: Store, email: str, language: str) -> JoinLink:
    """Have a worker mail a link to this address (lower case), in the language of the page it was asked for on."""
    link = JoinLink.objects.create(store=store, email=email, language=language)
    wake(JoinLink)
    return link


def send(link: JoinLink, at: datetime) -> None:
    """Mail it, unless that comes too late or the address takes no mail. Raises what the mail server raises."""
    program = programs.of(link.store)
    if program is None or at - link.created_at > JoinLink.LIFETIME or gate.is_suppressed(link.store_id, link.email):
        return
    minutes = int(JoinLink.LIFETIME.total_seconds() // 60)
    context = {"program": program, "url": links.address(path(link)), "minutes": minutes}
    mail.send(link.store, "loyalty/mail/join_link", link.email, link.language, context)


def path(link: JoinLink) -> str:
    token = links.make(PURPOSE, link.store_id, link.pk)
    return reverse("loyalty-arrive", args=[link.store.slug, token])


def find(store: Store, token: str) -> JoinLink | None:
    """The link of this store, used or not; None if it is forged, too old or forgotten."""
    try:
        store_id, pk, _extra = links.read(PURPOSE, token, JoinLink.LIFETIME)
    except links.BadLink:
        return None
    if store_id != store.pk:
        return None
    return JoinLink.objects.filter(store=store, pk=pk).first()


def standing(link: JoinLink) -> Membership | None:
    """How whoever has the address stands to the programme; None for nobody whom the store knows."""
    program, people = programs.of(link.store), customers_of(link.store, link.email)
    return members.membership(program, people) if program and people.exists() else None


@transaction.atomic
def use(link: JoinLink, at: datetime) -> None:
    """Have whoever followed the link take part from now on. Raises Used."""
    if not JoinLink.objects.filter(pk=link.pk, used_at=None).update(used_at=at):
        raise Used
    before = standing(link)
    if before is None or not before.is_member:
        people = customers_of(link.store, link.email)
        customer = main_of(people) or make_guest(link.store, link.email, link.language, at)
        members.join(link.store, customer, members.Way.PORTAL, at)


def forget(at: datetime) -> None:
    """Links of yesterday."""
    JoinLink.objects.filter(created_at__lt=at - timedelta(days=1)).delete()
