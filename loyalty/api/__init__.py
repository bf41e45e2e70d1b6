"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet

__all__ = ["AccountViewSet", "EntryViewSet"]
