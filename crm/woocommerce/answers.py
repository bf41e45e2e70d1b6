"""What the shop answers when it is asked for objects by their numbers.

A webhook was written at some moment before it came, and only its date tells of two which is the later. An answer is later than all
that was held when the question was asked, whatever its date says: the shop's clock may have been set back in between. So the dates are
looked up first, then the shop is asked, and what is still held with the same date gives way. Of what came in meanwhile the dates decide.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from django.db import connection, transaction

from crm.orders.locking import lock_mirror
from crm.stores.models import Store

from .saving import MODELS, SAVERS, Saved
from .values import MappingError, moment


def dates_held(store: Store, resource: str, woo_ids: Iterable[int]) -> dict[int, datetime]:
    """`date_modified_gmt` by number, of those that are held with one. To be called before the shop is asked."""
    held = MODELS[resource].objects.filter(store=store, woo_id__in=list(woo_ids))
    return {woo_id: date for woo_id, date in held.values_list("woo_id", "date_modified_gmt") if date}


@transaction.atomic
def save_answer(store: Store, resource: str, rows: list[dict], at: datetime, held: dict[int, datetime]) -> Saved:
    """Save what the shop has of these objects, also of those that were marked as deleted; `held` is what `dates_held` gave."""
    lock_mirror(store)
    older = {row["id"]: held[row["id"]] for row in rows if row.get("id") in held and is_older(row, held[row["id"]])}
    _forget_dates(store, resource, older)
    return SAVERS[resource](store, rows, at, revive=True)


def is_older(row: dict, date: datetime | None) -> bool:
    """Whether an object of the shop bears an older date than this one."""
    with suppress(MappingError):
        modified = modified_at(row)
        return bool(modified and date and modified < date)
    return False


def modified_at(row: dict) -> datetime | None:
    """Raises MappingError."""
    modified = moment(row, "date_modified_gmt")
    return datetime.fromisoformat(modified) if modified else None


def _forget_dates(store: Store, resource: str, held: dict[int, datetime]) -> None:
    """Let any version overwrite these, as long as they are held with these dates."""
    if not held:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {MODELS[resource]._meta.db_table} o SET date_modified_gmt = NULL
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS r(woo_id, date)
            WHERE o.store_id = %s AND o.woo_id = r.woo_id AND o.date_modified_gmt = r.date
            """,
            [list(held), list(held.values()), store.pk],
        )
