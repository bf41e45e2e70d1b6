from anymail import urls as anymail_urls
from django.conf import settings
from django.urls import include, path

from . import views


def reports_of_the_mail_service() -> list:
    """django-anymail's door for the service in use, if its calls can be told from forged ones; the other services' stay shut."""
    module, _dot, _name = settings.EMAIL_BACKEND.rpartition(".")
    package, _dot, service = module.rpartition(".")
    if package != "anymail.backends" or not any("WEBHOOK" in name or "SIGNING" in name for name in settings.ANYMAIL):
        return []
    doors = [door for door in anymail_urls.urlpatterns if str(door.pattern).startswith(f"{service}/")]
    return [path("anymail/", include([door for door in doors if "inbound" not in str(door.pattern)]))]


urlpatterns = [
    path("u/<str:token>/", views.preferences, name="preferences"),
    path("mailbox/", views.mailbox_list, name="mailbox"),
    path("mailbox/<int:pk>/", views.mailbox_list, name="mailbox-mail"),
    path("mailbox/<int:pk>/html/", views.mailbox_html, name="mailbox-html"),
    *reports_of_the_mail_service(),
]
