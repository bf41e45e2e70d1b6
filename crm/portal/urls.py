from django.urls import path

from . import views

urlpatterns = [
    path("s/<slug:slug>/", views.first_page, name="portal-home"),
    path("s/<slug:slug>/sign-in/", views.sign_in, name="portal-sign-in"),
    path("s/<slug:slug>/sign-in/code/", views.code, name="portal-code"),
    path("s/<slug:slug>/sign-out/", views.sign_out, name="portal-sign-out"),
    path("s/<slug:slug>/brand.css", views.stylesheet, name="portal-brand"),
    path("s/<slug:slug>/logo", views.logo, name="portal-logo"),
]
