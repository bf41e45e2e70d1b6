"""The points programme of a store, and the ledger."""

from .ledger import Account, LedgerEntry
from .program import Program
from .rules import Campaign, EarningRule, Occasion, RuleVersion

__all__ = ["Account", "Campaign", "EarningRule", "LedgerEntry", "Occasion", "Program", "RuleVersion"]
