from .deliveries import Reread, WebhookDelivery
from .pushes import Push
from .sync import ConnectionCheck, KeptAside, Resource, SyncState

__all__ = ["ConnectionCheck", "KeptAside", "Push", "Reread", "Resource", "SyncState", "WebhookDelivery"]
