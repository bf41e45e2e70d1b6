"""Make the mail of a Message row: words in the recipient's language, the store's brand, the headers."""

from datetime import timedelta
from email.utils import formataddr, parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now

from crm.stores import links
from crm.stores.models import Store

from . import context, kinds, names
from .models import MailSettings, Message

# A mail may lie in somebody's inbox for a long time; to end the mails must still work then.
PREFERENCES = "preferences"
PREFERENCES_AGE = timedelta(days=730)


def email(message: Message) -> EmailMultiAlternatives:
    """The mail, ready to be sent; nothing is written."""
    subject, text, html = render(message)
    store, mail = message.store, MailSettings.objects.filter(store=message.store_id).first() or MailSettings()
    sender = mail.from_email or parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    answers_to = mail.reply_to or store.contact_email
    headers = {
        "Message-ID": f"<{message.public_id}@{sender.rpartition('@')[2]}>",
        # Out-of-office notes and ticket systems leave such mail unanswered (RFC 3834).
        "Auto-Submitted": "auto-generated",
    }
    if message.purpose in kinds.STOPPABLE:
        headers["List-Unsubscribe"] = f"<{preferences_url(message)}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=formataddr((names.one_line(store.name, 100), sender)),
        to=[message.recipient],
        reply_to=[formataddr((names.one_line(store.name, 100), answers_to))] if answers_to else None,
        headers=headers,
    )
    made.attach_alternative(html, "text/html")
    # Mail services give it back in their reports (django-anymail).
    made.metadata = {"message": str(message.public_id)}
    made.tags = [message.kind]
    return made


def render(message: Message) -> tuple[str, str, str]:
    """Subject, plain text and HTML of a message as it would be sent now."""
    template = kinds.get(message.kind).template
    with translation.override(message.language):
        values = variables(message)
        subject = names.one_line(_plain(f"{template}.subject.txt", values), 200)
        text = _plain(f"{template}.txt", values).strip() + "\n"
        html = get_template(f"{template}.html").render(values)
    return subject, text, html


def variables(message: Message) -> dict:
    """What a template may show. Names and texts are values in it, never templates themselves."""
    store, customer, order = message.store, message.customer, message.order
    first_name = order.first_name if order else customer.first_name if customer else ""
    return (
        context.provided(store, customer, order)
        | message.context
        | {
            "store": store,
            "customer": customer,
            "order": order,
            "first_name": names.greeting_name(first_name),
            "language": message.language,
            "is_marketing": message.purpose == kinds.Purpose.MARKETING,
            "preferences_url": preferences_url(message),
            "portal_url": links.address(reverse("portal-home", args=[store.slug])),
            "logo_url": logo_url(store),
            "year": now().year,
        }
    )


def preferences_url(message: Message) -> str:
    return links.address(reverse("preferences", args=[links.make(PREFERENCES, message.store_id, message.pk)]))


def logo_url(store: Store) -> str:
    return links.address(reverse("portal-logo", args=[store.slug])) if store.logo_type else ""


def _plain(name, values):
    template = get_template(name).template
    # Plain text has nothing to escape: & must stay & in it.
    return template.render(Context(values, autoescape=False))
