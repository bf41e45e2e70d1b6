"""How a session was opened. A code by mail proves an address and makes a customer; only a password makes staff."""

# Session keys. Django empties a session when another user signs in, so both speak of the present user.
PROVEN = "proven_email"
PASSWORD = "password_given"


def opens_admin(request) -> bool:
    """Whether this session may see admin: staff, and not by a mailed code alone.

    Staff buy in shops, too. Their customer session, opened by whoever reads their mail, must not be a way in.
    """
    user = request.user
    by_code_alone = PROVEN in request.session and PASSWORD not in request.session
    return user.is_active and user.is_staff and not by_code_alone
