from django.urls import path

from . import second_factor
from .views import StaffLogin

# The names are those by which django-allauth finds its own pages.
urlpatterns = [
    path("accounts/login/", StaffLogin.as_view(), name="account_login"),
    path("accounts/login/code/", second_factor.Authenticate.as_view(), name="mfa_authenticate"),
    path("accounts/again/", second_factor.PasswordAgain.as_view(), name="account_reauthenticate"),
    path("accounts/again/code/", second_factor.CodeAgain.as_view(), name="mfa_reauthenticate"),
    path("accounts/second-factor/", second_factor.Overview.as_view(), name="mfa_index"),
    path("accounts/second-factor/on/", second_factor.Activate.as_view(), name="mfa_activate_totp"),
    path("accounts/second-factor/off/", second_factor.Deactivate.as_view(), name="mfa_deactivate_totp"),
    path("accounts/recovery-codes/", second_factor.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path("accounts/recovery-codes/new/", second_factor.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"),
]
