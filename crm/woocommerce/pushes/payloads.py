"""What each kind of push takes, checked when it is queued: a mistake is the caller's then, and no surprise in the shop later."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.stores.models import Store

from ..values import LARGEST_ID


class BadPayload(ValueError):
    """`errors` has lists of texts by field, nested as the payload is."""

    def __init__(self, errors: Any):
        super().__init__("; ".join(f"{name}: {text}" for name, text in _flat(errors)))
        self.errors = errors


def _flat(errors, path=""):
    items = errors.items() if isinstance(errors, Mapping) else enumerate(errors)
    for name, inner in items:
        if isinstance(inner, str):
            yield path, inner
        else:
            yield from _flat(inner, f"{path}.{name}" if path else str(name))


class Payload(serializers.Serializer):
    """A write in words of ours; numbers are the shop's own. A name it does not know is a mistake and not nothing."""

    def to_internal_value(self, data):
        if isinstance(data, Mapping) and (unknown := set(data) - set(self.fields)):
            known = ", ".join(self.fields)
            text = _("There is no such field. There are: %(names)s.") % {"names": known}
            raise serializers.ValidationError({str(name): [text] for name in sorted(unknown, key=str)})
        return super().to_internal_value(data)

    @classmethod
    def cleaned(cls, store: Store, payload: dict, at: datetime) -> dict:
        """The payload with its defaults, as JSON. Raises BadPayload."""
        checked = cls(data=payload, context={"store": store, "at": at})
        if not checked.is_valid():
            raise BadPayload(checked.errors)
        return dict(checked.data)


class Number(serializers.IntegerField):
    """An object's number in the shop."""

    def __init__(self, **options):
        super().__init__(min_value=1, max_value=LARGEST_ID, **options)


class Numbers(serializers.ListField):
    def __init__(self, **options):
        super().__init__(child=Number(), default=list, max_length=1000, **options)


class Amount(serializers.DecimalField):
    """Money, or a percentage; with the very digits it came in."""

    def __init__(self, **options):
        super().__init__(max_digits=15, decimal_places=None, **{"min_value": 0} | options)

    def to_representation(self, value):
        return f"{value:f}"


class ShopTime(serializers.DateTimeField):
    """A time as the shop's own clock shows it, `2026-12-31T23:59:59`; one with an offset is turned into that."""

    def enforce_timezone(self, value):
        zone = self.context["store"].zone if "store" in self.context else UTC
        # By way of UTC: an hour that the clocks leave out in spring becomes one that there is.
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC).astimezone(zone)

    def to_representation(self, value):
        return value.strftime("%Y-%m-%dT%H:%M:%S")


class WordPressEmail(serializers.EmailField):
    """WordPress drops what it takes for no address without a word: the first letters of any script but Latin do that."""

    def run_validation(self, data=serializers.empty):
        address = super().run_validation(data).lower()
        if not re.fullmatch(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]+@[a-z0-9.-]+\.[a-z0-9-]+", address):
            raise serializers.ValidationError(_("WordPress does not take this address."))
        return address


class MetaData(serializers.DictField):
    """Meta data by key. A value is anything in JSON, and null removes the key."""

    child = serializers.JSONField(allow_null=True)
    LARGEST = 20_000

    def __init__(self, keys: str = r"\w[\w.-]*", **options):
        super().__init__(**options)
        self.keys = keys

    def to_internal_value(self, data):
        data = super().to_internal_value(data)
        for key in data:
            if not re.fullmatch(self.keys, key) or len(key) > 255:
                raise serializers.ValidationError({key: [_("This key is not written.")]})
        try:
            text = json.dumps(data, ensure_ascii=False, allow_nan=False)
            text.encode()
        except (ValueError, RecursionError):
            raise serializers.ValidationError(_("This can't be written as JSON.")) from None
        if len(text) > self.LARGEST or "\\u0000" in text:
            raise serializers.ValidationError(
                _("At most %(size)d characters, and no NUL among them.") % {"size": self.LARGEST}
            )
        return data
