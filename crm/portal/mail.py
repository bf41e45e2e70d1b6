"""The one mail that the portal sends itself: it stands below messaging, and a code is nobody's to unsubscribe."""

from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from crm.stores.models import Store

from .models import SignInCode


def send_code(row: SignInCode, store: Store) -> None:
    """Send the code in the row's language under the store's name. Raises what the mail server raises."""
    context = {"store": store, "code": row.code, "minutes": int(SignInCode.LIFETIME.total_seconds() // 60)}
    with translation.override(row.language):
        subject = render_to_string("portal/mail/code.subject.txt", context)
        message = EmailMultiAlternatives(
            " ".join(subject.split()),
            render_to_string("portal/mail/code.txt", context),
            sender(store),
            [row.email],
            reply_to=[store.contact_email] if store.contact_email else None,
            # Holiday answers and list servers stay quiet.
            headers={"Auto-Submitted": "auto-generated"},
        )
        message.attach_alternative(
            render_to_string("portal/mail/code.html", context | {"language": row.language}), "text/html"
        )
    message.send()


def sender(store: Store) -> str:
    """The store's name before our own address: `"Masala House" <mail@crm.example>`."""
    name = " ".join(store.name.split()).replace("\\", "").replace('"', "'")
    return f'"{name}" <{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}>'
