"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet
from .liability import LiabilityView
from .members import MemberViewSet, ReferralViewSet, TierViewSet
from .rewards import RedemptionViewSet, RewardViewSet
from .rules import CampaignViewSet, RuleViewSet, TrialViewSet

__all__ = [
    "AccountViewSet", "CampaignViewSet", "EntryViewSet", "LiabilityView", "MemberViewSet", "RedemptionViewSet",
    "ReferralViewSet", "RewardViewSet", "RuleViewSet", "TierViewSet", "TrialViewSet",
]  # fmt: skip
