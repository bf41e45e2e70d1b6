"""Mails that let somebody in. They are nobody's to unsubscribe and no copy of them is kept, so they pass by messaging's gate."""

from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from crm.stores.models import Store

from .models import SignInCode


def send_code(row: SignInCode) -> None:
    """Send the code in the row's language under the store's name. Raises what the mail server raises."""
    minutes = int(SignInCode.LIFETIME.total_seconds() // 60)
    send(row.store, "portal/mail/code", row.email, row.language, {"code": row.code, "minutes": minutes})


def send(store: Store, template: str, email: str, language: str, context: dict) -> None:
    """Send `<template>.subject.txt`, `.txt` and `.html` under the store's name. Raises what the mail server raises."""
    context = {"store": store, "language": language} | context
    with translation.override(language):
        subject = render_to_string(f"{template}.subject.txt", context)
        message = EmailMultiAlternatives(
            " ".join(subject.split()),
            render_to_string(f"{template}.txt", context),
            sender(store),
            [email],
            reply_to=[store.contact_email] if store.contact_email else None,
            # Holiday answers and list servers stay quiet.
            headers={"Auto-Submitted": "auto-generated"},
        )
        message.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    message.send()


def sender(store: Store) -> str:
    """The store's name before our own address: `"Masala House" <mail@crm.example>`."""
    name = " ".join(store.name.split()).replace("\\", "").replace('"', "'")
    return f'"{name}" <{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}>'
