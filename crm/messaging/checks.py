from django.conf import settings
from django.core.checks import Tags, Warning, register

MAILBOX = "crm.messaging.mailbox.EmailBackend"


@register(Tags.security, deploy=True)
def local_mailbox_is_for_trying(app_configs, **kwargs):
    if settings.EMAIL_BACKEND != MAILBOX:
        return []
    return [
        Warning(
            "Mail is not sent but kept in the local mailbox, where everyone can read it, sign-in codes among it.",
            hint="Set EMAIL_URL, or EMAIL_BACKEND and the ANYMAIL_… variables of your mail service.",
            id="messaging.W001",
        )
    ]
