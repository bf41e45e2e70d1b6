"""Points on the shop's pages: the secret, and what is to be pasted into the shop."""

from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from crm.stores import links
from crm.stores.staff import Role, StoreScopedAdmin

from ..models import ShopDisplay
from ..models.display import new_secret


@admin.register(ShopDisplay)
class ShopDisplayAdmin(StoreScopedAdmin):
    view_roles = add_roles = change_roles = delete_roles = {Role.OWNER}
    list_display = ["store", "created_at"]
    list_select_related = ["store"]
    actions = ["renew"]
    readonly_fields = ["address", "snippet", "created_at"]

    def get_fields(self, request, obj=None):
        return ["store", "address", "snippet", "created_at"] if obj else ["store"]

    @admin.action(description=_("Make new secrets; the old ones end at once"), permissions=["change"])
    def renew(self, request, queryset):
        rows = list(queryset)
        for row in rows:
            row.secret = new_secret()
            row.save(update_fields=["secret"])
        said = ngettext(
            "There is %(n)s new secret: paste it into the shop.", "There are %(n)s new secrets: paste them into the shops.", len(rows)
        )  # fmt: skip
        self.message_user(request, said % {"n": len(rows)})

    @display(description=_("Where pages ask"))
    def address(self, row):
        return links.address(reverse("loyalty-display", args=[row.store.slug]))

    @display(description=_("For the shop"))
    def snippet(self, row):
        return format_html(
            '<p class="mb-2">{}</p><textarea readonly rows="16" cols="100" spellcheck="false" aria-label="{}" class="font-mono w-full '
            'border border-base-200 rounded-default p-3 dark:border-base-700">{}</textarea>',
            _("Paste this into a snippet plug-in, or at the end of your theme's functions.php."),
            _("For the shop"),
            snippet_of(row),
        )


def snippet_of(row: ShopDisplay) -> str:
    address = links.address(reverse("loyalty-display", args=[row.store.slug])).removesuffix(".json")
    return render_to_string(
        "loyalty/shop_snippet.txt", {"address": address, "slug": row.store.slug, "secret": row.secret}
    )
