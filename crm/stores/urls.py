from django.urls import path

from .views import StaffLogin

urlpatterns = [path("accounts/login/", StaffLogin.as_view(), name="account_login")]
