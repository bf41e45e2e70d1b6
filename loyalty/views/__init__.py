"""The portal's pages of points, and what the shop's pages ask."""

from . import about, display, members, points, rewards

__all__ = ["about", "display", "members", "points", "rewards"]
