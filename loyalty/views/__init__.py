"""The portal's pages of points, and what the shop's pages ask."""

from . import display, members, points, rewards

__all__ = ["display", "members", "points", "rewards"]
