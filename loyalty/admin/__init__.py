"""What staff see of points, page by page."""

from . import accounts, members, program, rules

__all__ = ["accounts", "members", "program", "rules"]
