from django.urls import path

from . import views

urlpatterns = [path("s/<slug:slug>/points/", views.points, name="loyalty-points")]
