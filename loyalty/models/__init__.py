"""The points programme of a store, and the ledger."""

from .adjustments import Adjustment
from .display import AskedCount, ShopDisplay
from .freezes import Freeze
from .gifts import Gift
from .imports import BalanceImport, ImportRow
from .joining import JoinLink
from .ledger import Account, Allocation, CreditAccount, LedgerEntry, Lot
from .members import Birthday, Member
from .program import MembershipTerms, Program, ProgramLiability
from .referrals import Referral, ReferralCode, ReferralTerms, Sighting
from .rewards import Redemption, Reward
from .rules import Campaign, EarningRule, Occasion, RuleVersion
from .tiers import Tier, TierChange, TierStanding
from .trials import Trial

__all__ = [
    "Account", "Adjustment", "Allocation", "AskedCount", "BalanceImport", "Birthday", "Campaign", "CreditAccount", "EarningRule",
    "Freeze", "Gift", "ImportRow", "JoinLink", "LedgerEntry", "Lot", "Member", "MembershipTerms", "Occasion", "Program", "ProgramLiability",
    "Redemption", "Referral", "ReferralCode", "ReferralTerms", "Reward", "RuleVersion", "ShopDisplay", "Sighting",
    "Tier", "TierChange", "TierStanding", "Trial",
]  # fmt: skip
