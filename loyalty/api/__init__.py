"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet
from .members import MemberViewSet
from .rules import CampaignViewSet, RuleViewSet, TrialViewSet

__all__ = ["AccountViewSet", "CampaignViewSet", "EntryViewSet", "MemberViewSet", "RuleViewSet", "TrialViewSet"]
