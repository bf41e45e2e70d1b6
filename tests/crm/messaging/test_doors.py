"""Which of the mail services' doors stand open."""

import pytest

from crm.messaging.urls import reports_of_the_mail_service


@pytest.mark.parametrize(
    ("backend", "anymail", "doors"),
    [
        ("anymail.backends.mailgun.EmailBackend", {"MAILGUN_WEBHOOK_SIGNING_KEY": "x"}, ["mailgun/tracking/"]),
        ("anymail.backends.postmark.EmailBackend", {"WEBHOOK_SECRET": "a:b"}, ["postmark/tracking/"]),
        ("anymail.backends.mailgun.EmailBackend", {"MAILGUN_API_KEY": "x"}, []),
        ("django.core.mail.backends.smtp.EmailBackend", {"WEBHOOK_SECRET": "a:b"}, []),
    ],
)
def test_only_the_service_in_use_may_report_and_only_with_a_secret(settings, backend, anymail, doors):
    settings.EMAIL_BACKEND, settings.ANYMAIL = backend, anymail

    included = [str(door.pattern) for entry in reports_of_the_mail_service() for door in entry.url_patterns]

    assert included == doors
