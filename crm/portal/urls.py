from django.urls import path

from . import views

urlpatterns = [
    path("s/<slug:slug>/", views.first_page, name="portal-home"),
    path("s/<slug:slug>/orders/", views.order_list, name="portal-orders"),
    # Shops number as they like: 2026/001 is a number, too.
    path("s/<slug:slug>/orders/<path:number>/", views.order_detail, name="portal-order"),
    path("s/<slug:slug>/sign-in/", views.sign_in, name="portal-sign-in"),
    path("s/<slug:slug>/sign-in/code/", views.code, name="portal-code"),
    path("s/<slug:slug>/sign-out/", views.sign_out, name="portal-sign-out"),
    path("s/<slug:slug>/data/", views.own_data, name="portal-data"),
    path("s/<slug:slug>/data/file/", views.own_data_file, name="portal-data-file"),
    path("s/<slug:slug>/brand.css", views.stylesheet, name="portal-brand"),
    path("s/<slug:slug>/icon.svg", views.icon, name="portal-icon"),
    path("s/<slug:slug>/logo", views.logo, name="portal-logo"),
]
