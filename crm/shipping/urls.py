from django.urls import path

from . import views

urlpatterns = [
    path("t/<str:token>/", views.tracking, name="tracking"),
    path("s/<slug:slug>/track/", views.look_up, name="track"),
]
