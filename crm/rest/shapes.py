"""Have PostgreSQL write the JSON that a serializer describes: several times faster than building it in Python.

The serializer stays the one place that says what a row looks like; the OpenAPI schema is drawn from it as well.
"""

import functools

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import F, Func, JSONField, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Coalesce
from rest_framework import serializers


class Json(Func):
    """`json_build_object`: unlike Django's JSONObject it writes json, not jsonb, which nobody is going to search here."""

    function = "json_build_object"
    output_field = JSONField()

    def __init__(self, **columns):
        super().__init__(*(part for name, column in columns.items() for part in (Value(name), column)))


class JsonAgg(JSONBAgg):
    function = "json_agg"


@functools.cache
def row_as_text(serializer_class: type[serializers.ModelSerializer]) -> Cast:
    """The row's JSON as text. Built once for each serializer: Django copies an expression when it uses it."""
    return Cast(json_of(serializer_class()), TextField())


def json_of(serializer: serializers.ModelSerializer, path: str = "") -> Json:
    """An expression for one row's JSON object: decimals are strings, a `many=True` field is an ordered array.

    Knows plain columns, foreign keys and nested ModelSerializers; TypeError for anything computed in Python.
    """
    columns = {}
    for name, field in serializer.fields.items():
        source = path + field.source.replace(".", "__")
        if isinstance(field, serializers.ListSerializer) and isinstance(field.child, serializers.ModelSerializer):
            columns[name] = _array_of(serializer.Meta.model, field)
        elif isinstance(field, serializers.ModelSerializer):
            columns[name] = json_of(field, f"{source}__")
        elif isinstance(field, serializers.SerializerMethodField):
            raise TypeError(
                f"{type(serializer).__name__}.{name} is computed in Python; make it a column or an annotation."
            )
        elif isinstance(field, serializers.DecimalField):
            columns[name] = Cast(F(source), TextField())
        else:
            columns[name] = F(source)
    return Json(**columns)


def _array_of(model, field):
    """The rows that point at the outer row through a foreign key or a many-to-many relation, oldest first."""
    back = model._meta.get_field(field.source).remote_field.name
    rows = (
        field.child.Meta.model._default_manager.filter(**{back: OuterRef("pk")})
        .order_by()
        .values(back)
        .annotate(_json=JsonAgg(json_of(field.child), order_by="pk"))
        .values("_json")
    )
    return Coalesce(Subquery(rows), Value("[]"), output_field=JSONField())
