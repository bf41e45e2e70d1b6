"""The points programme of a store, and the ledger."""

from .ledger import Account, LedgerEntry
from .program import Program

__all__ = ["Account", "LedgerEntry", "Program"]
