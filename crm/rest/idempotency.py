"""`Idempotency-Key`: a POST that is sent twice takes effect once and is answered alike."""

import functools
import hashlib
import json

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response

from .models import IdempotentRequest


class KeyReused(exceptions.APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = _("This Idempotency-Key was used for another request; use a new one for each new request.")
    default_code = "idempotency_key_reused"


def idempotent(method):
    """For a view method that creates. The effect and the answer are saved in one transaction.

    A second request with the key waits for the first and gets its answer with `Idempotent-Replayed: true`. A request that failed
    (validation included) saved nothing and may be sent again with the same key. Keys are kept for a day.
    """

    @functools.wraps(method)
    def wrapper(self, request, *args, **kwargs):
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return method(self, request, *args, **kwargs)
        if len(key) > 255:
            raise exceptions.ValidationError({"Idempotency-Key": [_("At most 255 characters.")]})
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            saved, created = IdempotentRequest.objects.get_or_create(
                api_key=request.auth, key=key, defaults={"fingerprint": fingerprint}
            )
            if not created:
                if saved.fingerprint != fingerprint:
                    raise KeyReused
                return Response(saved.body, saved.status, headers={"Idempotent-Replayed": "true"})
            response = method(self, request, *args, **kwargs)
            saved.status = response.status_code
            saved.body = json.loads(request.accepted_renderer.render(response.data))
            saved.save(update_fields=["status", "body"])
            return response

    return wrapper


def _fingerprint(request) -> str:
    body = json.dumps(request.data, sort_keys=True, default=str)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()
