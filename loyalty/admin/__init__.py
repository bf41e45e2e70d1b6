"""What staff see of points, page by page."""

from . import accounts, adjustments, members, program, referrals, rules, terms

__all__ = ["accounts", "adjustments", "members", "program", "referrals", "rules", "terms"]
