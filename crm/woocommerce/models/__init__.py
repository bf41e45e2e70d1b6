from .deliveries import Reread, WebhookDelivery
from .pushes import Push
from .sync import Connection, ConnectionCheck, KeptAside, Resource, SyncState

__all__ = ["Connection", "ConnectionCheck", "KeptAside", "Push", "Reread", "Resource", "SyncState", "WebhookDelivery"]
