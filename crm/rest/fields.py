"""What serializers of every room share."""

from rest_framework import serializers


class _Own:
    """Another store's rows do not exist."""

    def get_queryset(self):
        queryset = super().get_queryset()
        request = self.context.get("request")
        return queryset.for_store(request.auth.store) if request else queryset.none()


class OfStore(_Own, serializers.PrimaryKeyRelatedField):
    """A row of the key's own store, by its `id`."""

    def to_internal_value(self, data):
        try:
            return super().to_internal_value(data)
        except OverflowError:  # 1e400 is an endless number in JSON
            self.fail("incorrect_type", data_type=type(data).__name__)


class NamedOfStore(_Own, serializers.SlugRelatedField):
    """A row of the key's own store, by another field: its number in the shop, a key."""

    def to_internal_value(self, data):
        if isinstance(data, str) and "\0" in data:
            self.fail("invalid")
        try:
            return super().to_internal_value(data)
        except OverflowError:
            self.fail("invalid")
