"""What serializers of every room share."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers


class _Own:
    """Another store's rows do not exist."""

    default_error_messages = {"no_name": _("Expected a whole number or text.")}

    def get_queryset(self):
        queryset = super().get_queryset()
        request = self.context.get("request")
        return queryset.for_store(request.auth.store) if request else queryset.none()

    def to_internal_value(self, data):
        # A number's field would take true for 1 and 12.7 for 12, and no row is named by 1e400.
        if isinstance(data, bool | float) or isinstance(data, str) and "\0" in data:
            self.fail("no_name")
        return super().to_internal_value(data)


class OfStore(_Own, serializers.PrimaryKeyRelatedField):
    """A row of the key's own store, by its `id`."""


class NamedOfStore(_Own, serializers.SlugRelatedField):
    """A row of the key's own store, by another field: its number in the shop, a key."""
