from .deliveries import Reread, WebhookDelivery
from .pushes import Push
from .runs import Drift, SyncRun
from .sync import Connection, ConnectionCheck, KeptAside, Resource, SyncState

__all__ = [
    "Connection",
    "ConnectionCheck",
    "Drift",
    "KeptAside",
    "Push",
    "Reread",
    "Resource",
    "SyncRun",
    "SyncState",
    "WebhookDelivery",
]
