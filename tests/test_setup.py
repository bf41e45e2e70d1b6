"""The tests' own ground: databases are copies of a migrated one, and other processes can reach them."""

import re

import psycopg
import pytest
from django.db import connection

from crm.stores.models import Store
from tests.conftest import ROOT, url_of
from tests.factories import make_store


@pytest.mark.django_db
def test_the_database_is_a_copy_of_the_migrated_one():
    assert connection.settings_dict["TEST"]["TEMPLATE"].startswith("template_postpurchase_")
    assert Store.objects.count() == 0


def test_another_process_sees_what_a_test_committed(database_url):
    store = make_store()

    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT slug FROM stores_store").fetchall() == [(store.slug,)]
    assert database_url == url_of(connection.settings_dict["NAME"])


def names_of_settings():
    source = (ROOT / "postpurchase" / "settings.py").read_text() + (ROOT / "gunicorn.conf.py").read_text()
    return set(re.findall(r"""(?:env(?:\.\w+)?|env_bool|environ\.get)\(\s*["']([A-Z_]+)["']""", source))


@pytest.mark.parametrize("place", [".env.example", "docs/running.md"])
def test_every_setting_is_written_down(place):
    text = (ROOT / place).read_text()

    assert {name for name in names_of_settings() if not re.search(rf"\b{name}\b", text)} == set()
