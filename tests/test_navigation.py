import re

import pytest
from django.contrib import admin

from crm.stores.models import Membership
from postpurchase.navigation import GROUPS
from tests.factories import make_staff

pytestmark = pytest.mark.django_db
# Parts of pages of their own, or of libraries whose rows are no work of a shop's staff.
ELSEWHERE = {"auth", "account", "mfa", "django_q", "sites"}


def test_every_page_of_the_product_is_in_the_side_bar():
    shown = {label for _title, models in GROUPS for label, _icon in models}
    registered = {m._meta.label for m in admin.site._registry if m._meta.app_label not in ELSEWHERE}

    assert registered - shown == set()


@pytest.mark.parametrize("role", Membership.Role.values)
def test_each_link_of_the_side_bar_leads_somewhere(client, store, role):
    client.force_login(make_staff(store, role))

    page = client.get("/admin/").content.decode()
    links = set(re.findall(r'href="(/admin/\w+/\w+/)"', page))

    assert "/admin/support/ticket/" in links
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
