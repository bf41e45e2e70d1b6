from django.urls import path

from . import views

urlpatterns = [
    path("u/<str:token>/", views.preferences, name="preferences"),
    path("mailbox/", views.mailbox_list, name="mailbox"),
    path("mailbox/<int:pk>/", views.mailbox_list, name="mailbox-mail"),
    path("mailbox/<int:pk>/html/", views.mailbox_html, name="mailbox-html"),
]
