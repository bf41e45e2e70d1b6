from django.urls import path

from . import webhooks

urlpatterns = [path("webhooks/woocommerce/<uuid:public_id>/", webhooks.receive, name="woocommerce-webhook")]
