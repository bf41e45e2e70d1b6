import orjson
from django.http import Http404
from rest_framework import viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from .keys import HasScope, lacks
from .shapes import row_as_text


class StoreScopedMixin:
    """Every row is looked for among those of the key's store: another store's is a 404."""

    scope: str
    permission_classes = [HasScope]
    # Set while the schema is drawn, when there is no request.
    swagger_fake_view = False

    def has_scope(self, scope: str) -> bool:
        return not self.swagger_fake_view and scope in self.request.auth.scopes

    def require_scope(self, scope: str) -> None:
        """For what asks for one more than its resource does. Raises PermissionDenied."""
        if not self.has_scope(scope):
            raise PermissionDenied(lacks(scope))

    def get_queryset(self):
        queryset = super().get_queryset()
        if self.swagger_fake_view:
            return queryset.none()
        return queryset.for_store(self.request.auth.store)


class StoreScopedReadOnlyViewSet(StoreScopedMixin, viewsets.ReadOnlyModelViewSet):
    """`list` and `retrieve` of a store's rows, written by PostgreSQL from the serializer's description.

    One statement a page, whatever is nested in it.
    """

    # A pk that is no number is a row that does not exist.
    lookup_value_regex = r"\d{1,18}"

    def list(self, request, *args, **kwargs):
        page = self.paginate_queryset(self._as_json(self.filter_queryset(self.get_queryset())))
        return self.get_paginated_response([orjson.Fragment(row["json"]) for row in page])

    def retrieve(self, request, *args, **kwargs):
        row = self._as_json(self.get_queryset().filter(pk=self.kwargs["pk"])).first()
        if row is None:
            raise Http404
        return Response(orjson.Fragment(row["json"]))

    def _as_json(self, queryset):
        return queryset.values("id", json=row_as_text(self.get_serializer_class()))
