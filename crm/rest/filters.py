from django.utils.translation import gettext as _
from django_filters.rest_framework import CharFilter, DjangoFilterBackend
from rest_framework.exceptions import ValidationError

_ALWAYS = {"cursor", "limit"}


class StrictFilterBackend(DjangoFilterBackend):
    """Filters of the view's `filterset_class`; a name it does not know is an error and not silently everything."""

    def filter_queryset(self, request, queryset, view):
        filterset = self.get_filterset(request, queryset, view)
        known = set(filterset.form.fields) if filterset else set()
        if view.detail:
            return queryset
        if unknown := set(request.query_params) - known - _ALWAYS:
            names = ", ".join(sorted(known | _ALWAYS))
            raise ValidationError(
                {
                    name: [_("There is no such filter. There are: %(names)s.") % {"names": names}]
                    for name in sorted(unknown)
                }
            )
        return super().filter_queryset(request, queryset, view)


class EmailFilter(CharFilter):
    """Addresses are held in lower case."""

    def filter(self, queryset, value):
        return super().filter(queryset, value.strip().lower() if value else value)
