"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet
from .members import MemberViewSet, ReferralViewSet, TierViewSet
from .rules import CampaignViewSet, RuleViewSet, TrialViewSet

__all__ = [
    "AccountViewSet", "CampaignViewSet", "EntryViewSet", "MemberViewSet", "ReferralViewSet", "RuleViewSet", "TierViewSet",
    "TrialViewSet",
]  # fmt: skip
