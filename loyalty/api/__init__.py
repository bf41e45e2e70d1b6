"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet
from .members import MemberViewSet

__all__ = ["AccountViewSet", "EntryViewSet", "MemberViewSet"]
