from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from django.contrib import admin
from django.urls import reverse
from unfold.widgets import BASE_INPUT_CLASSES

from .sessions import PASSWORD

STAFF_SESSION = 12 * 3600  # seconds


class StaffLoginForm(LoginForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs = {
                name: value for name, value in field.widget.attrs.items() if name != "placeholder"
            } | {"class": " ".join(BASE_INPUT_CLASSES)}


class StaffLogin(LoginView):
    """E-mail and password, through django-allauth, which limits the tries and asks for a second factor where one is set."""

    form_class = StaffLoginForm
    template_name = "stores/staff_login.html"

    def get_form_class(self):
        return self.form_class

    def get_default_success_url(self):
        return reverse("admin:index")

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs) | admin.site.each_context(self.request)

    def form_valid(self, form):
        response = super().form_valid(form)
        if self.request.user == form.user:
            self.request.session[PASSWORD] = True
            # A customer stays signed in for months; who may read all of a shop's customers, for a working day.
            self.request.session.set_expiry(STAFF_SESSION)
        return response
