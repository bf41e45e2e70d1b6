"""Which mailbox an address leads to: what comes after a plus is the owner's own note, and Google does not read dots."""

import re

from django.db.models import Q

GOOGLE = {"gmail.com", "googlemail.com"}


def mailbox(email: str) -> str:
    """`asha@gmail.com` for `A.sha+shop@googlemail.com`. Empty for what is no address."""
    name, at, domain = email.strip().lower().rpartition("@")
    name = name.partition("+")[0]
    if domain in GOOGLE:
        name, domain = name.replace(".", ""), "gmail.com"
    return f"{name}@{domain}" if at and name else ""


def same(field: str, email: str) -> Q:
    """A condition for a query: the address in `field` leads to the mailbox of `email`. The index serves the beginning of it."""
    name, _at, domain = mailbox(email).rpartition("@")
    if not name:
        return Q(pk=None)
    if domain == "gmail.com":
        # Dots may stand anywhere after the first letter.
        pattern, start, domains = r"\.?".join(map(re.escape, name)), name[0], "(gmail|googlemail)\\.com"
    else:
        pattern, start, domains = re.escape(name), name, re.escape(domain)
    return Q(**{f"{field}__startswith": start, f"{field}__regex": rf"^{pattern}(\+[^@]*)?@{domains}$"})
