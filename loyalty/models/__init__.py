"""The points programme of a store, and the ledger."""

from .ledger import Account, Allocation, LedgerEntry, Lot
from .program import Program
from .rules import Campaign, EarningRule, Occasion, RuleVersion

__all__ = [
    "Account", "Allocation", "Campaign", "EarningRule", "LedgerEntry", "Lot", "Occasion", "Program", "RuleVersion",
]  # fmt: skip
