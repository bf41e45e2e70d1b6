from rest_framework import viewsets

from .keys import HasScope


class StoreScopedMixin:
    """Every row is looked for among those of the key's store: another store's is a 404."""

    scope: str
    permission_classes = [HasScope]
    # Filled while the schema is drawn, when there is no request.
    swagger_fake_view = False

    def get_queryset(self):
        queryset = super().get_queryset()
        if self.swagger_fake_view:
            return queryset.none()
        return queryset.for_store(self.request.auth.store)


class StoreScopedReadOnlyViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """`list` and `retrieve` of a store's rows."""
