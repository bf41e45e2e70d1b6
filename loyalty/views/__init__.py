"""The portal's pages of points, and what the shop's pages ask."""

from . import about, codes, credit, display, members, points, rewards

__all__ = ["about", "codes", "credit", "display", "members", "points", "rewards"]
