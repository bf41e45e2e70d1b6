from .deliveries import Reread, WebhookDelivery
from .pushes import Push

__all__ = ["Push", "Reread", "WebhookDelivery"]
