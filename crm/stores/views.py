from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django.contrib.auth import logout
from django.urls import reverse

from .second_factor import StaffPage
from .sessions import limit


class StaffLogin(StaffPage, LoginView):
    """E-mail and password, through django-allauth, which limits the tries and asks for a second factor where one is set."""

    form_class = LoginForm
    template_name = "stores/staff_login.html"

    def get_form_class(self):
        return self.form_class

    def get_default_success_url(self):
        return reverse("admin:index")

    def form_valid(self, form):
        if self.request.user != form.user:
            # Somebody else's session would be emptied on the way, and with it that a password was given.
            logout(self.request)
        response = super().form_valid(form)
        limit(self.request)
        return response
