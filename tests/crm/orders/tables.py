from django.apps import apps
from django.db import connection


def tables_with(words):
    """The tables of the whole database that hold these words, plain or as bytes."""
    found = set()
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if not model._meta.managed or model._meta.proxy:
                continue
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE lower(t::text) LIKE ANY(%s)',
                [[f"%{words.lower()}%", f"%{words.encode().hex()}%"]],
            )
            if cursor.fetchone()[0]:
                found.add(table)
    return found
