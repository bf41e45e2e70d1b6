"""The portal's pages of points, and what the shop's pages ask."""

from . import about, credit, display, members, points, rewards

__all__ = ["about", "credit", "display", "members", "points", "rewards"]
