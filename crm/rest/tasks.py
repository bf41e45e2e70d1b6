from datetime import timedelta

from django.utils import timezone

from .models import IdempotentRequest


def forget_requests() -> None:
    """Delete the answers that are kept for idempotency keys once their day is over."""
    IdempotentRequest.objects.filter(created_at__lt=timezone.now() - timedelta(days=1)).delete()
