from django.urls import path

from . import views

urlpatterns = [
    path("s/<slug:slug>/tickets/", views.index, name="portal-tickets"),
    path("s/<slug:slug>/tickets/new/", views.new, name="portal-ticket-new"),
    path("s/<slug:slug>/data/delete/", views.erase, name="portal-erase"),
    path("s/<slug:slug>/tickets/<int:number>/", views.conversation, name="portal-ticket"),
]
