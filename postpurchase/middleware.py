"""What stands before every view."""

from django.http import Http404, HttpResponse
from django.urls import resolve
from django.utils import timezone

from crm.stores.models import Store


class DirectPaths:
    """Addresses that only programs call go straight to their view: no session, no language, no sign-in, no host check.

    A shop's webhooks come in bursts, a load balancer asks for health by the machine's number, and what the shop's own pages ask
    is to be kept by caches, which a language or a cookie in the answer would forbid.
    """

    PREFIXES = ("/webhooks/", "/healthz", "/readyz")
    SUFFIXES = ("/points.json", "/points.js")

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        path = request.path_info
        if not (path.startswith(self.PREFIXES) or path.endswith(self.SUFFIXES)):
            return self.get_response(request)
        try:
            match = resolve(path)
        except Http404:
            return HttpResponse("Not found.\n", status=404, content_type="text/plain")
        return match.func(request, *match.args, **match.kwargs)


class NoNul:
    """Refuses addresses with a NUL in them: no text of a database holds one, so nobody looks for it but to break a page."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponse("Not understood.\n", status=400, content_type="text/plain")
        return self.get_response(request)


class StaffClock:
    """In admin, times are read and written by the clock of the shops that one works for."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not (request.path_info.startswith("/admin/") and request.user.is_staff):
            return self.get_response(request)
        with timezone.override(Store.objects.for_user(request.user).common_zone()):
            return self.get_response(request)
