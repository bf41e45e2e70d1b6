from .deliveries import Reread, WebhookDelivery
from .pushes import Push
from .runs import Drift, OrderDay, SyncRun
from .shops import Incident, ShopIdentity, ShopWebhook
from .sync import Connection, ConnectionCheck, KeptAside, Resource, SyncState

__all__ = [
    "Connection",
    "ConnectionCheck",
    "Drift",
    "Incident",
    "KeptAside",
    "OrderDay",
    "Push",
    "Reread",
    "Resource",
    "ShopIdentity",
    "ShopWebhook",
    "SyncRun",
    "SyncState",
    "WebhookDelivery",
]
