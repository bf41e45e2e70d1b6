from django.urls import path

from . import views

urlpatterns = [
    path("r/<str:token>/", views.review, name="review"),
    path("r/<str:token>/thanks/", views.thanks, name="review-thanks"),
]
