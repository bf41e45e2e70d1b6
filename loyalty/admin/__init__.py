"""What staff see of points, page by page."""

from . import accounts, program

__all__ = ["accounts", "program"]
