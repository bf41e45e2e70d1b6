"""Hand one mail to the mail server or service, and say what is known of it afterwards: taken, refused, or not known.

A refusal that is certain may be tried again. When the line breaks after the mail was handed over, it may have been
delivered, and sending it again could make it arrive twice.
"""

import smtplib

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRequestsAPIError
from django.core.mail import BadHeaderError, EmailMessage, get_connection
from django.core.mail.backends import smtp


class Refused(Exception):
    """The mail was certainly not taken. `permanent`: it will not be next time, either."""

    def __init__(self, error, permanent=False):
        super().__init__(str(error) or type(error).__name__)
        self.permanent = permanent


class Unreachable(Refused):
    """There is no connection to the mail server: no other mail will get through now, either."""


class OutcomeUnknown(Exception):
    """The mail was handed over and no answer came back."""


class Mailer:
    """One connection for a batch of mails: `with Mailer() as mailer: mailer.deliver(email)`."""

    def __enter__(self):
        self.connection = get_connection()
        return self

    def __exit__(self, *_error):
        self._close()

    def open(self) -> None:
        """Connect, if that has not been done. Raises Unreachable."""
        try:
            new = self.connection.open()
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(error) from error
        if new and isinstance(self.connection, smtp.EmailBackend):
            self._watch(self.connection.connection)

    def deliver(self, email: EmailMessage) -> str:
        """Send one mail; returns the service's number for it, if it gives one. Raises Refused, Unreachable, OutcomeUnknown."""
        self.open()
        self.begun = not isinstance(self.connection, smtp.EmailBackend)
        try:
            self.connection.send_messages([email])
        except Exception as error:
            self._close()
            raise self._meaning(error) from error
        status = getattr(email, "anymail_status", None)
        return str(status.message_id or "") if status else ""

    def _watch(self, server):
        """Notice when the body begins to leave: a line that breaks earlier has certainly delivered nothing."""
        data = server.data

        def begin(message):
            self.begun = True
            return data(message)

        server.data = begin

    def _close(self):
        try:
            self.connection.close()
        except (OSError, smtplib.SMTPException):
            # Whether the goodbye arrived does not matter; the next mail opens a new connection.
            self.connection = get_connection()

    def _meaning(self, error):
        match error:
            case smtplib.SMTPRecipientsRefused():
                codes = [code for code, _text in error.recipients.values()]
                return Refused(error, permanent=all(code >= 500 for code in codes))
            case smtplib.SMTPResponseException():
                return Refused(error, permanent=error.smtp_code >= 500)
            case smtplib.SMTPServerDisconnected() if not self.begun:
                return Unreachable(error)
            case BadHeaderError() | smtplib.SMTPNotSupportedError():
                return Refused(error, permanent=True)
            case AnymailRequestsAPIError() if error.response is None:
                return Unreachable(error) if _never_connected(error) else OutcomeUnknown(str(error))
            case AnymailAPIError():
                # 429 and 503 say "later"; of another 5xx nobody knows what was done before it.
                status = error.status_code or 500
                if status in (429, 503):
                    return Refused(error)
                return Refused(error, permanent=True) if status < 500 else OutcomeUnknown(str(error))
            case AnymailError():
                return Refused(error, permanent=True)
            case OSError() if not self.begun:
                return Unreachable(error)
        return OutcomeUnknown(f"{type(error).__name__}: {error}")


def _never_connected(error: AnymailRequestsAPIError) -> bool:
    """Whether requests failed before there was a connection: its own time-out, or urllib3's errors that it wraps."""
    inner = error.__cause__.args[0] if error.__cause__ and error.__cause__.args else None
    reason = getattr(inner, "reason", inner)
    names = {base.__name__ for found in (error, reason) for base in type(found).__mro__}
    return bool(names & {"ConnectTimeout", "NewConnectionError"})
