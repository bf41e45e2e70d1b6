"""Points for merchants' programs."""

from .accounts import AccountViewSet, EntryViewSet
from .adjustments import AdjustmentViewSet
from .credit import CreditAdjustmentViewSet, CreditCodeViewSet, CreditEntryViewSet, CreditViewSet
from .liability import LiabilityView
from .lots import LotViewSet
from .members import MemberViewSet, ReferralViewSet, TierViewSet
from .rewards import RedemptionViewSet, RewardViewSet
from .rules import CampaignViewSet, RuleViewSet, TrialViewSet

__all__ = [
    "AccountViewSet", "AdjustmentViewSet", "CampaignViewSet", "CreditAdjustmentViewSet", "CreditCodeViewSet", "CreditEntryViewSet", "CreditViewSet", "EntryViewSet", "LiabilityView", "LotViewSet", "MemberViewSet", "RedemptionViewSet",
    "ReferralViewSet", "RewardViewSet", "RuleViewSet", "TierViewSet", "TrialViewSet",
]  # fmt: skip
