"""What staff see of points, page by page."""

from . import accounts, members, program

__all__ = ["accounts", "members", "program"]
