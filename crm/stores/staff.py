"""What staff may see and do in admin: their stores, and in them what their role allows."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from .models import Membership, Store

Role = Membership.Role


def has_role(user, roles, store_id=None) -> bool:
    """Whether this member of staff has one of the roles, in the store or (without one) in any."""
    if not (user.is_active and user.is_staff):
        return False
    if user.is_superuser:
        return True
    # Asked many times for one page, so read once for each user object, that is for each request.
    if not hasattr(user, "_roles"):
        user._roles = dict(user.memberships.values_list("store_id", "role"))
    if store_id is None:
        return any(role in roles for role in user._roles.values())
    return user._roles.get(store_id) in roles


class StoreScopedAdmin(ModelAdmin):
    """A ModelAdmin whose rows belong to a store: staff see those of their stores and change what their role allows.

    Django's own permission tables are not used for these models: a role in a store says it all.
    """

    store_path = "store"
    view_roles: set[Role] = {Role.OWNER, Role.AGENT, Role.VIEWER}
    change_roles: set[Role] = {Role.OWNER}
    add_roles: set[Role] = set()
    delete_roles: set[Role] = set()

    def get_queryset(self, request):
        queryset = super().get_queryset(request)
        if request.user.is_superuser:
            return queryset
        # By role too: who is an owner here and an agent there sees owners' rows of the one store only.
        stores = Store.objects.for_user(request.user, self.view_roles)
        return queryset.filter(**{f"{self.store_path}__in": stores})

    def store_id_of(self, obj):
        """The primary key of the store that a row belongs to."""
        *steps, last = self.store_path.split("__")
        for step in steps:
            obj = getattr(obj, step)
        return getattr(obj, "pk" if last == "pk" else f"{last}_id")

    def _allowed(self, request, roles, obj):
        return has_role(request.user, roles, None if obj is None else self.store_id_of(obj))

    def has_module_permission(self, request):
        return self._allowed(request, self.view_roles, None)

    def has_view_permission(self, request, obj=None):
        return self._allowed(request, self.view_roles, obj)

    def has_change_permission(self, request, obj=None):
        return self._allowed(request, self.change_roles, obj)

    def has_delete_permission(self, request, obj=None):
        return self._allowed(request, self.delete_roles, obj)

    def has_add_permission(self, request):
        return self._allowed(request, self.add_roles, None)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.related_model is Store and not request.user.is_superuser:
            # Who owns one store and looks into another may add rows to the first alone.
            kwargs["queryset"] = Store.objects.for_user(request.user, self.add_roles)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request, obj=None):
        """A row stays in its store."""
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "store"] if obj and self.store_path == "store" and "store" not in fields else fields


class ReadOnlyAdmin(StoreScopedAdmin):
    """Rows that come from elsewhere (the shop, the ledger) and are looked at only."""

    change_roles: set[Role] = set()

    def _allowed(self, request, roles, obj):
        # Not even a superuser edits a mirror or a ledger by hand.
        return bool(roles) and super()._allowed(request, roles, obj)


class StoreFilter(admin.RelatedOnlyFieldListFilter):
    """The stores in a list's filter: only those of the member of staff."""

    def field_choices(self, field, request, model_admin):
        stores = Store.objects.for_user(request.user).order_by("name")
        return [(store.pk, str(store)) for store in stores]
