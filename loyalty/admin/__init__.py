"""What staff see of points, page by page."""

from . import (
    accounts,
    adjustments,
    credit,
    display,
    imports,
    liability,
    members,
    program,
    referrals,
    rewards,
    rules,
    terms,
)

__all__ = [
    "accounts",
    "adjustments",
    "credit",
    "display",
    "imports",
    "liability",
    "members",
    "program",
    "referrals",
    "rewards",
    "rules",
    "terms",
]
