"""The portal's pages of points."""

from . import members, points

__all__ = ["members", "points"]
