"""The tests' own ground: databases are copies of a migrated one, and other processes can reach them."""

import psycopg
import pytest
from django.db import connection

from crm.stores.models import Store
from tests.conftest import url_of
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
