"""Gift cards: points become a code that anybody can use, a mail brings it to somebody else, and a page behind a signed link shows it.

The shop's good name is lent to what a customer writes to a stranger. So there are few of these mails a day, to whom none may be sent gets
none, and the words lead nowhere.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection
from django.db.models import Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from crm.messaging import mailboxes, names, outbox
from crm.messaging.models import Message
from crm.orders.models import Customer
from crm.stores import formats, links
from crm.stores.models import Store
from crm.work.models import DueWork

from . import rewards
from .models import Account, Gift, Redemption

CARD_MAIL, REST_MAIL = "gift-card", "gift-rest"
READY_MAIL, UNDELIVERED_MAIL = "gift-ready", "gift-undelivered"
PURPOSE = "gift"
# The longest that a code can be valid, and a little more.
AGE = timedelta(days=3700)
DAY = timedelta(days=1)
# Mails that one member can have sent in a day, and that one mailbox can be sent by a shop's members.
FROM_ONE, TO_ONE = 5, 3
# An address, or a number that can be called, of digits of any script.
_LEADS_AWAY = re.compile(r"https?:|www\.|@|\w\.\w{2,}|\d(?:[\s().+\-‐-―]*\d){5}", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """What the giver asks for: to whom it is mailed (empty: the giver hands it over), and a few words."""

    recipient: str = ""
    message: str = ""


class CannotSend(Exception):
    """The message tells the giver why."""


def add(redemption: Redemption, account: Account, customer: Customer, wish: Wish, at: datetime) -> Gift:
    """Keep what the giver wishes. The account is held by the caller, so that limits hold. Raises CannotSend."""
    store, recipient = redemption.store, wish.recipient.strip().lower()
    message = names.one_line(wish.message, 300)
    if _leads_away(message):
        raise CannotSend(_("Please leave web and email addresses and telephone numbers out of your message."))
    if recipient:
        try:
            validate_email(recipient)
        except ValidationError as error:
            raise CannotSend(_("Please check the email address.")) from error
        # Givers of other accounts count the same mails: one after the other.
        with connection.cursor() as cursor:
            name = f"loyalty.gifts:{store.pk}:{mailboxes.mailbox(recipient) or recipient}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        theirs = Q(recipient=recipient) | mailboxes.same("recipient", recipient)
        since = Gift.objects.for_store(store).filter(created_at__gt=at - DAY)
        sent = since.filter(redemption__account=account).exclude(recipient="").count()
        if sent >= FROM_ONE or since.filter(theirs).count() >= TO_ONE:
            raise CannotSend(
                _("No more gifts can be sent by email today. Leave the address out and give the code yourself.")
            )
    return Gift.objects.create(
        store=store, redemption=redemption, sender=names.greeting_name(customer.name), recipient=recipient,
        by_mail=bool(recipient), message=message, language=store.language_for(customer.language), created_at=at,
    )  # fmt: skip


def send(redemption: Redemption, giver: Customer) -> None:
    """The shop has the code: write to whom it is for, and to the giver. The redemption is held by the caller."""
    gift, store = redemption.gift, redemption.store
    key = f"gift:{gift.pk}"
    if gift.recipient:
        context = _code(redemption, gift) | {"sender": gift.sender, "message": gift.message}
        # Of nobody whom the shop knows: a mail about a customer shows what that customer has.
        gift.mail = outbox.queue(store, CARD_MAIL, key, email=gift.recipient, context=context, language=gift.language)
        gift.save(update_fields=["mail"])
    _tell(gift, READY_MAIL, giver, is_sent=bool(gift.recipient))


def send_rest(rest: Redemption, giver: Customer) -> None:
    """The shop has the code for what is left of a gift card: write to whom it is for, and name nobody.

    Where that is known to lead nowhere, to the giver, who hands it over.
    """
    gift = rest.card.gift
    if gift.recipient and gift.is_with_recipient:
        key = f"gift:{gift.pk}:{rest.pk}"
        context = _code(rest, gift)
        outbox.queue(rest.store, REST_MAIL, key, email=gift.recipient, context=context, language=gift.language)
    else:
        _tell(gift, READY_MAIL, giver, rest=rest)


def withdraw(gift: Gift) -> bool:
    """Take it from the mail, and say whether nobody but the giver has the code. One that staff try again must not bring a code that is gone."""
    if gift.mail:
        gift.mail = Message.objects.select_for_update().filter(pk=gift.mail.pk).first()
    if gift.is_with_recipient:
        return False
    if gift.mail and gift.mail.state in (DueWork.State.DUE, DueWork.State.PARKED):
        gift.mail.delete()
        gift.mail, gift.by_mail = None, False
        gift.save(update_fields=["mail", "by_mail"])
    return True


def tell_undelivered(store: Store, at: datetime) -> int:
    """Write to the givers whose mail could not be delivered, where the code can be used yet; returns to how many."""
    lost = Gift.objects.for_store(store).undelivered().filter(told=False)
    lost = list(lost.select_related("redemption__store", "redemption__account__customer__joined_to"))
    useful = [gift for gift in lost if gift.redemption.state == Redemption.State.READY]
    for gift in useful:
        customer = gift.redemption.account.customer
        _tell(gift, UNDELIVERED_MAIL, customer.person)
    Gift.objects.filter(pk__in=[gift.pk for gift in lost]).update(told=True)
    return len(useful)


def url(gift: Gift) -> str:
    """The full address of the page that shows the code to whoever has the link."""
    return links.address(reverse("loyalty-gift", args=[links.make(PURPOSE, gift.store_id, gift.pk)]))


def conditions(redemption: Redemption, language: str) -> list[str]:
    """What its recipient has to know. What the giver gets back is not theirs, and the day is said by its date."""
    with translation.override(language):
        return rewards.conditions(redemption.terms | {"returns_expired": False, "valid_days": None})


def read(token: str) -> Gift:
    """The gift of a link. Raises BadLink."""
    store_id, pk, _extra = links.read(PURPOSE, token, AGE)
    gift = Gift.objects.filter(store=store_id, pk=pk).select_related("store", "redemption__order").first()
    if gift is None:
        raise links.BadLink
    return gift


def _leads_away(message: str) -> bool:
    """Also written with letters and dots that only look otherwise, or with characters that nobody sees."""
    text = unicodedata.normalize("NFKD", message)
    # Vowel signs and accents are no letters by themselves, so a word of Hindi would not be seen as one.
    text = "".join(character for character in text if unicodedata.category(character)[0] not in "CM")
    return bool(_LEADS_AWAY.search(text.replace("。", ".")))


def _context(redemption, language) -> dict:
    terms = redemption.terms
    with translation.override(language):
        return {"amount": formats.money(terms["amount"], terms["currency"])}


def _code(redemption, gift) -> dict:
    expires = redemption.expires_at
    return _context(redemption, gift.language) | {
        "code": redemption.code,
        "expires": expires and formats.day(expires, redemption.store.timezone, gift.language),
        "conditions": conditions(redemption, gift.language),
        "url": url(gift),
    }


def _tell(gift, kind, giver, rest=None, **also):
    # The address it went to is not the giver's: it stands on the page alone, where it can be erased.
    redemption, store = gift.redemption, gift.redemption.store
    context = _context(rest or redemption, store.language_for(giver.language)) | {"is_rest": bool(rest)} | also
    context["url"] = links.address(reverse("loyalty-code", args=[store.slug, redemption.pk]))
    key = f"gift:{gift.pk}:{rest.pk}" if rest else f"gift:{gift.pk}"
    outbox.queue(store, kind, key, customer=giver, context=context)
