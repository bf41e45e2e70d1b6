from datetime import timedelta

import pytest
from django.utils import timezone

from crm.rest.models import IdempotentRequest
from crm.rest.tasks import forget_requests
from tests.factories import make_api_key, make_store


@pytest.mark.django_db
def test_answers_to_idempotency_keys_are_forgotten_after_a_day():
    key, _secret = make_api_key(make_store())
    now = timezone.now()
    for name, hours in (("new", 23), ("old", 25)):
        IdempotentRequest.objects.create(
            api_key=key, key=name, fingerprint="x", created_at=now - timedelta(hours=hours)
        )

    forget_requests()

    assert IdempotentRequest.objects.get().key == "new"
