"""How a session was opened. A code by mail proves an address and makes a customer; only a password makes staff."""

import time

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings

# Session keys. Django empties a session when another user signs in, so both speak of the present user.
PROVEN = "proven_email"
PASSWORD = "password_given"
STAFF_SESSION = 12 * 3600  # seconds


def opens_admin(request) -> bool:
    """Whether this session may see admin: staff, not by a mailed code alone, and with the second factor that is asked for.

    Staff buy in shops, too. Their customer session, opened by whoever reads their mail, must not be a way in.
    """
    return is_staffs(request) and not lacks_second_factor(request)


def is_staffs(request) -> bool:
    user = request.user
    by_code_alone = PROVEN in request.session and PASSWORD not in request.session
    return user.is_active and user.is_staff and not by_code_alone


def lacks_second_factor(request) -> bool:
    if not settings.STAFF_SECOND_FACTOR:
        return False
    return not Authenticator.objects.filter(user=request.user, type=Authenticator.Type.TOTP).exists()


def gave_password(request, user) -> bool:
    """Whether this person's right password was given in this session, other factors aside."""
    return any(record["method"] == "password" for record in get_authentication_records(request, user))


def note_password(request, user, **kwargs) -> None:
    """Called when somebody is signed in, with all factors given."""
    if gave_password(request, user):
        request.session[PASSWORD] = True


def is_fresh(request) -> bool:
    """Whether a password or a second factor was given just now, so that it need not be given again."""
    records = get_authentication_records(request, request.user)
    given = [record["at"] for record in records if record["method"] in ("password", "mfa")]
    return bool(given) and time.time() - max(given) < REAUTHENTICATION_TIMEOUT


def limit(request) -> None:
    """A customer stays signed in for months; who may read all of a shop's customers, for a working day."""
    if PASSWORD in request.session:
        request.session.set_expiry(STAFF_SESSION)
