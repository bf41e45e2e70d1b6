from django import template

register = template.Library()


@register.filter
def may_give_credit(user, store) -> bool:
    """Whether this member of staff may give store credit there, or ask an owner for it."""
    # Libraries are imported while the admin still is.
    from crm.stores.staff import Role, has_role

    return bool(user) and has_role(user, {Role.OWNER, Role.AGENT}, store.pk)
