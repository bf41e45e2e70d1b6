"""What staff see of points, page by page."""

from . import accounts, adjustments, members, program, rules

__all__ = ["accounts", "adjustments", "members", "program", "rules"]
