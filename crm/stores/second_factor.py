"""The second factor of staff: a code from an authenticator app, and recovery codes for a lost phone.

django-allauth does the work; here are its pages in the admin's dress, and its secrets encrypted at rest.
"""

from allauth.account import views as account_views
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import views as base_views
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery_views
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp import views as totp_views
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import BASE_INPUT_CLASSES

from .encryption import decrypted, encrypted
from .sessions import gave_password, is_staffs, limit


class Adapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("That code is not right. Codes change every 30 seconds; use the one that shows now."),
        "cannot_delete_authenticator": _(
            "Everybody who works here needs a second factor, so it can't be switched off."
        ),
    }

    def get_totp_issuer(self):
        return str(admin.site.site_header or "Postpurchase")

    def encrypt(self, text):
        return encrypted(text)

    def decrypt(self, encrypted_text):
        return decrypted(encrypted_text)

    def can_delete_authenticator(self, authenticator):
        return not settings.STAFF_SECOND_FACTOR or authenticator.type != Authenticator.Type.TOTP


class Stage(AuthenticateStage):
    """The step of a log-in at which the code is asked for."""

    def handle(self):
        # A mailed code makes a customer's session, which opens nothing of staff's.
        return super().handle() if gave_password(self.request, self.login.user) else (None, True)


class StaffPage:
    """A page outside the admin's own that looks like its log-in."""

    def get_form(self, form_class=None):
        return _dressed(super().get_form(form_class))

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs) | admin.site.each_context(self.request)


class OwnPage(StaffPage):
    """A page of somebody's own, for staff who gave their password."""

    def dispatch(self, request, *args, **kwargs):
        if not is_staffs(request):
            return redirect_to_login(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)


def _dressed(form):
    for field in form.fields.values():
        attrs = {name: value for name, value in field.widget.attrs.items() if name != "placeholder"}
        field.widget.attrs = attrs | {"class": " ".join(BASE_INPUT_CLASSES)}
    return form


class Authenticate(StaffPage, base_views.AuthenticateView):
    template_name = "stores/second_factor/code.html"

    def _build_forms(self):
        posted = super()._build_forms()
        _dressed(self.auth_form)
        self.auth_form.fields["code"].widget.attrs |= {"autofocus": True, "inputmode": "text"}
        return posted

    def form_valid(self, form):
        response = super().form_valid(form)
        limit(self.request)
        return response


class Overview(OwnPage, base_views.IndexView):
    template_name = "stores/second_factor/overview.html"

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs) | {"is_required": settings.STAFF_SECOND_FACTOR}


class Activate(OwnPage, totp_views.ActivateTOTPView):
    template_name = "stores/second_factor/activate.html"

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs) | {"is_required": settings.STAFF_SECOND_FACTOR}


class Deactivate(OwnPage, totp_views.DeactivateTOTPView):
    template_name = "stores/second_factor/deactivate.html"
    success_url = reverse_lazy("mfa_index")


class RecoveryCodes(OwnPage, recovery_views.ViewRecoveryCodesView):
    template_name = "stores/second_factor/recovery_codes.html"


class NewRecoveryCodes(OwnPage, recovery_views.GenerateRecoveryCodesView):
    template_name = "stores/second_factor/new_recovery_codes.html"


class PasswordAgain(OwnPage, account_views.ReauthenticateView):
    template_name = "stores/second_factor/again.html"

    def get_default_success_url(self):
        return reverse("admin:index")


class CodeAgain(OwnPage, base_views.ReauthenticateView):
    template_name = "stores/second_factor/again.html"

    def get_default_success_url(self):
        return reverse("admin:index")
