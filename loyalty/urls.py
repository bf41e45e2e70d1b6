from django.urls import path

from . import views

urlpatterns = [
    path("s/<slug:slug>/points/", views.points, name="loyalty-points"),
    path("s/<slug:slug>/membership/", views.membership, name="loyalty-membership"),
    path("s/<slug:slug>/membership/join/", views.join, name="loyalty-join"),
    path("s/<slug:slug>/membership/leave/", views.leave, name="loyalty-leave"),
    path("s/<slug:slug>/membership/birthday/", views.birthday, name="loyalty-birthday"),
]
