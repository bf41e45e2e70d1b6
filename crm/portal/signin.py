"""Sign-in by a mailed code, or by a link that a room mails for a purpose of its own. django-allauth makes the code, counts the tries and opens the session; what is here is the shop's part."""

from datetime import datetime, timedelta

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess
from allauth.account.models import Login
from allauth.account.stages import LoginByCodeStage, LoginStageController
from django.contrib.auth import logout
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from crm.orders.customers import join_guest
from crm.stores.models import Store, User
from crm.stores.sessions import PROVEN
from crm.work.wake import wake

from .access import customers_of
from .models import SignInCode


def begin(request: HttpRequest, email: str) -> None:
    """Have a code mailed if the store knows the address; what the browser gets is the same if it does not."""
    if request.user.is_authenticated:
        # Somebody else's session, or staff's: the code is for the person who asks now.
        logout(request)
    user = _user_for(request.store, email)
    if user is None:
        # As much work as for a known address, so that the time tells nothing.
        with transaction.atomic():
            queue_code(request.store, email, "0000-0000")
            transaction.set_rollback(True)
    LoginCodeVerificationProcess.initiate(request=request, user=user, email=email)


def pending(request: HttpRequest) -> LoginCodeVerificationProcess | None:
    """The attempt that this browser began and may still finish."""
    stage = LoginStageController.enter(request, LoginByCodeStage.key)
    return stage and LoginCodeVerificationProcess.resume(stage)


def finish(request: HttpRequest, attempt: LoginCodeVerificationProcess, next: str, at: datetime) -> HttpResponse:
    """The code was right: open the session for the proven address."""
    email = attempt.state["email"]
    response = attempt.finish(next)
    _prove(request, email, at)
    return response


def is_switched_off(email: str) -> bool:
    """Whether nobody may sign in with this address (lower case), whatever it proves."""
    return User.objects.filter(email=email, is_active=False).exists()


def by_link(request: HttpRequest, email: str, at: datetime) -> bool:
    """A mailed link has proven the address: open its session; whether that went well, which it does not for somebody who is switched off.

    The caller has seen to it that this is the link's first use, or the same press again, and that the store knows the address.
    """
    user = _user_for(request.store, email)
    if user is None:
        return False
    if request.user.is_authenticated:
        logout(request)
    record_authentication(request, user, method="code", email=email)
    perform_login(request, Login(user=user, email=email))
    _prove(request, email, at)
    return request.user.is_authenticated


def _prove(request, email, at):
    if request.user.is_authenticated:
        request.session[PROVEN] = email
        join_guest(request.store, email, at)


def queue_code(store: Store, email: str, code: str) -> None:
    """Have a worker mail this code, in the language of the page it was asked for on."""
    with transaction.atomic():
        SignInCode.objects.create(store=store, email=email, code=code, language=translation.get_language())
        wake(SignInCode)


def forget() -> None:
    """Every day: codes of yesterday."""
    SignInCode.objects.filter(created_at__lt=timezone.now() - timedelta(days=1)).delete()


def _user_for(store, email):
    """Who signs in with this address: made at the first time, and only if the store has a customer with it."""
    known = customers_of(store, email).exists()
    user = User.objects.filter(email=email).first()
    if known and user is None:
        user, _created = User.objects.get_or_create(email=email, defaults={"password": make_password(None)})
    return user if known and user.is_active else None
