"""What serializers of every room share."""

from rest_framework import serializers


class OfStore(serializers.PrimaryKeyRelatedField):
    """A row of the key's own store; another store's does not exist."""

    def get_queryset(self):
        queryset = super().get_queryset()
        request = self.context.get("request")
        return queryset.for_store(request.auth.store) if request else queryset.none()

    def to_internal_value(self, data):
        try:
            return super().to_internal_value(data)
        except OverflowError:  # 1e400 is an endless number in JSON
            self.fail("incorrect_type", data_type=type(data).__name__)
