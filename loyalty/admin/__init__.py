"""What staff see of points, page by page."""

from . import accounts, adjustments, liability, members, program, referrals, rules, terms

__all__ = ["accounts", "adjustments", "liability", "members", "program", "referrals", "rules", "terms"]
