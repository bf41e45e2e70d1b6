"""Who a program is (a store's key), what it may do (scopes) and how often (a count a minute)."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, permissions, throttling

from crm.stores.models import ApiKey


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer pp_…`; `request.auth` is the ApiKey with its store, `request.user` stays None."""

    def authenticate(self, request):
        scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return None
        now = timezone.now()
        try:
            row = ApiKey.objects.usable(now).select_related("store").get(digest=ApiKey.digest_of(key.strip()))
        except ApiKey.DoesNotExist:
            raise exceptions.AuthenticationFailed(_("This key is unknown, expired or revoked.")) from None
        if row.last_used_at is None or now - row.last_used_at > timedelta(hours=1):
            ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
        return None, row

    def authenticate_header(self, request):
        return 'Bearer realm="api"'


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema):
        return {"type": "http", "scheme": "bearer", "description": "A store's API key: `Authorization: Bearer pp_…`"}


def lacks(scope: str) -> str:
    return _("This key does not have the scope %(scope)s.") % {"scope": scope}


class HasScope(permissions.BasePermission):
    """Views name the scope of their resource: `scope = "orders"` asks for `orders:read` or `orders:write`."""

    def has_permission(self, request, view):
        if request.auth is None:
            return False
        if not hasattr(view, request.method.lower()):
            # Nobody may: the view answers 405, and no scope would help.
            return True
        verb = "read" if request.method in permissions.SAFE_METHODS else "write"
        wanted = f"{view.scope}:{verb}"
        if wanted not in request.auth.scopes:
            self.message = lacks(wanted)
            return False
        return True


class KeyThrottle(throttling.BaseThrottle):
    """So many requests a minute for each key, counted in one statement and right across processes."""

    def allow_request(self, request, view):
        if request.auth is None:
            return True
        limit = int(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["key"].partition("/")[0])
        now = timezone.now()
        self.minute = now.replace(second=0, microsecond=0)
        self.now = now
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO rest_keywindow AS held (api_key_id, began_at, count) VALUES (%s, %s, 1)
                ON CONFLICT (api_key_id) DO UPDATE SET
                    count = CASE WHEN held.began_at = excluded.began_at THEN held.count + 1 ELSE 1 END,
                    began_at = excluded.began_at
                RETURNING count
                """,
                [request.auth.pk, self.minute],
            )
            return cursor.fetchone()[0] <= limit

    def wait(self):
        return (self.minute + timedelta(minutes=1) - self.now).total_seconds()
