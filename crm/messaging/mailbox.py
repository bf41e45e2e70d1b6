"""The local mailbox: mail that is kept in the database instead of being sent, for the demo and for trying things out."""

import email
from email.message import EmailMessage
from email.policy import default as policy

from django.core.mail.backends.base import BaseEmailBackend

from . import names
from .models import MailboxMessage

KEPT = 2000


class EmailBackend(BaseEmailBackend):
    """`EMAIL_BACKEND=crm.messaging.mailbox.EmailBackend`. Keeps the newest two thousand mails."""

    def send_messages(self, email_messages):
        kept = [
            MailboxMessage.objects.create(
                sender=names.one_line(mail.from_email, 400),
                recipients=names.one_line(", ".join(mail.recipients()), 1000),
                subject=names.one_line(str(mail.subject), 1000),
                raw=mail.message().as_bytes(),
            )
            for mail in email_messages
            if mail.recipients()
        ]
        if kept:
            MailboxMessage.objects.filter(pk__lte=kept[-1].pk - KEPT).delete()
        return len(kept)


def parsed(message: MailboxMessage) -> EmailMessage:
    return email.message_from_bytes(bytes(message.raw), policy=policy)


def part(mail: EmailMessage, subtype: str) -> str:
    """The mail's text of this subtype (`plain`, `html`), or nothing."""
    body = mail.get_body((subtype,))
    return body.get_content() if body else ""
