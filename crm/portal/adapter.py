from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.utils.translation import gettext_lazy as _

from crm.stores.sessions import is_fresh

from . import signin


class Adapter(DefaultAccountAdapter):
    """What django-allauth leaves to the project: how a code travels, and the words, which it has in few languages."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "incorrect_code": _("That is not the code we sent. Use the one in the newest email and try again."),
        "too_many_login_attempts": _("Too many attempts. Please wait a few minutes, then try again."),
        "rate_limited": _("Too many attempts. Please wait a few minutes, then try again."),
        "email_password_mismatch": _("This email address and password do not belong together."),
    }

    def is_open_for_signup(self, request):
        return False

    def get_login_stages(self):
        ours = {"allauth.mfa.stages.AuthenticateStage": "crm.stores.second_factor.Stage"}
        return [ours.get(stage, stage) for stage in super().get_login_stages()]

    def is_reauthentication_required(self, *, app):
        return not is_fresh(context.request)

    def send_mail(self, template_prefix, email, context):
        """The only mail there is: a code, which a worker sends."""
        signin.queue_code(context["request"].store, email, context["code"])

    def add_message(self, *args, **kwargs):
        """Pages say themselves what happened."""
