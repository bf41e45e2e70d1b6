from django.db import models
from django.utils import timezone

from crm.stores.models import ApiKey


class IdempotentRequest(models.Model):
    """What a POST with an Idempotency-Key was answered, so that the same request again gets the same answer."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    # Of method, path and body: the same key for another request is the caller's mistake.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "key"], name="idempotency_key_once")]

    def __str__(self):
        return self.key


class KeyWindow(models.Model):
    """How many requests a key made in the present minute. Unlogged: worth nothing after a crash."""

    api_key = models.OneToOneField(ApiKey, models.CASCADE, primary_key=True, related_name="+")
    began_at = models.DateTimeField()
    count = models.PositiveIntegerField()

    def __str__(self):
        return f"{self.api_key_id}: {self.count}"
