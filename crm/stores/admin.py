"""Shops, who works for them, and the keys of their programs."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from .forms import ApiKeyForm, StoreForm
from .models import ApiKey, Membership, Store, User
from .staff import Role, StoreFilter, StoreScopedAdmin

# A role in a store says what staff may do, a customer's address is the user's own, and the secret of a second factor is for nobody to see.
admin.site.unregister([Group, EmailAddress, Authenticator])


class MembershipInline(TabularInline):
    """Whom a store's owner may see; only a superuser, who sees all users, makes staff of them."""

    model = Membership
    extra = 0
    autocomplete_fields = ["user"]
    tab = True

    def has_view_permission(self, request, obj=None):
        return True  # the store's page itself was allowed

    def has_add_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser


@admin.register(Store)
class StoreAdmin(StoreScopedAdmin):
    store_path = "pk"
    form = StoreForm
    list_display = ["name", "slug", "url", "currency", "is_connected"]
    search_fields = ["name", "slug", "url"]
    inlines = [MembershipInline]
    fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        (
            _("Brand"),
            {
                "classes": ["tab"],
                "fields": [
                    "brand_color", "brand_ink", "logo_shown", "logo_file", "remove_logo", "contact_email", "contact_phone",
                    "contact_hours", "contact_address",
                ],
            },
        ),
        (
            _("Place"),
            {"classes": ["tab"], "fields": ["currency", "country", "timezone", "language", "languages", "paid_statuses"]},
        ),
        (
            _("Connection"),
            {
                "classes": ["tab"],
                "fields": [
                    "url", "signing", "insecure", "keys", "new_consumer_key", "new_consumer_secret", "wc_version",
                    "connected_at", "announce_from",
                ],
            },
        ),
    ]  # fmt: skip
    readonly_fields = ["logo_shown", "keys", "wc_version", "connected_at", "announce_from"]

    def save_model(self, request, store, form, change):
        super().save_model(request, store, form, change)
        form.save_logo()

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name == "url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request, obj=None):
        # Where requests with the keys go, and addresses that customers have in their mails.
        locked = [] if request.user.is_superuser else ["slug", "url", "insecure"]
        return [*super().get_readonly_fields(request, obj), *locked]

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        # All of its orders, tickets and ledgers would go with it, on one click and in one transaction.
        return False

    @display(description=_("Connected"), boolean=True)
    def is_connected(self, store):
        return bool(store.consumer_key)

    @display(description=_("Keys"))
    def keys(self, store):
        both = store.consumer_key and store.consumer_secret
        return _("Stored, encrypted. They are never shown.") if both else _("None yet")

    @display(description=_("Logo now"))
    def logo_shown(self, store):
        if not store.logo_type:
            return _("None: the name is shown")
        return format_html('<img src="{}" alt="" height="40">', reverse("portal-logo", args=[store.slug]))


@admin.register(ApiKey)
class ApiKeyAdmin(StoreScopedAdmin):
    form = ApiKeyForm
    view_roles = change_roles = add_roles = {Role.OWNER}
    list_display = ["name", "prefix_shown", "store", "last_used_at", "expires_at", "is_usable"]
    list_select_related = ["store"]
    list_filter = [("store", StoreFilter)]
    search_fields = ["name", "prefix"]
    ordering = ["-created_at"]
    actions = ["revoke"]

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["store", "name", "scopes", "expires_at"]
        return [
            "name",
            "store",
            "prefix_shown",
            "scopes",
            "expires_at",
            "issued_to",
            "created_at",
            "last_used_at",
            "revoked_at",
        ]

    def get_readonly_fields(self, request, obj=None):
        # What a key may do is settled when it is made; another need is another key.
        return [] if obj is None else [field for field in self.get_fields(request, obj) if field != "name"]

    def get_form(self, request, obj=None, **kwargs):
        if obj is not None:
            kwargs["form"] = admin.ModelAdmin.form
        return super().get_form(request, obj, **kwargs)

    def save_model(self, request, obj, form, change):
        if change:
            obj.save(update_fields=["name"])
            return
        row, request.new_api_key = ApiKey.issue(obj.store, obj.name, obj.scopes, obj.expires_at, to=request.user)
        obj.pk, obj.prefix = row.pk, row.prefix

    def response_add(self, request, obj, post_url_continue=None):
        """The key itself, once, on the answer to its making: no cookie, no session and no log ever holds it."""
        context = self.admin_site.each_context(request) | {
            "title": _("Your new API key"),
            "opts": self.opts,
            "row": obj,
            "key": request.new_api_key,
        }
        response = TemplateResponse(request, "stores/api_key.html", context)
        add_never_cache_headers(response)
        return response

    @admin.action(description=_("Revoke the chosen keys"), permissions=["change"])
    def revoke(self, request, queryset):
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, ngettext("%(n)s key revoked.", "%(n)s keys revoked.", count) % {"n": count})

    @display(description=_("Begins with"))
    def prefix_shown(self, key):
        return f"{key.prefix}…"

    @display(description=_("Works"), boolean=True)
    def is_usable(self, key):
        return key.revoked_at is None and (key.expires_at is None or key.expires_at > timezone.now())


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """For superusers: staff and, among the same rows, customers who have signed in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "first_name", "last_name", "is_staff", "is_active", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active"]
    search_fields = ["email", "first_name", "last_name"]
    ordering = ["email"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        (_("Name"), {"fields": ["first_name", "last_name"]}),
        (_("May"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
        (_("Times"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "is_staff", "password1", "password2"]})]
    readonly_fields = ["last_login", "date_joined"]
