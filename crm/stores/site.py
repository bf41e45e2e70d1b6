"""The admin site: opened by a password given at `views.StaffLogin`, never by a customer's mailed code."""

from django.http import HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from .sessions import is_staffs, lacks_second_factor, opens_admin


class StaffSite(UnfoldAdminSite):
    def has_permission(self, request):
        return opens_admin(request)

    def login(self, request, extra_context=None):
        """Never Django's own form: it knows no limit of tries."""
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        if is_staffs(request) and lacks_second_factor(request):
            return redirect("mfa_activate_totp")
        query = request.META.get("QUERY_STRING", "")
        return HttpResponseRedirect(reverse("account_login") + (f"?{query}" if query else ""))
