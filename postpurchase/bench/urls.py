"""The product's addresses, and an empty view beside the webhook's."""

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from postpurchase.urls import urlpatterns as product


@csrf_exempt
def empty(request, public_id):
    """Answers without looking: what the middleware and the server cost."""
    request.read()
    return HttpResponse()


urlpatterns = [path("webhooks/empty/<uuid:public_id>/", empty), *product]
