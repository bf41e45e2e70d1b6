"""Tickets that were open before there were holds place theirs."""

from django.db import migrations


def place(apps, schema_editor):
    ticket, hold = apps.get_model("support", "Ticket"), apps.get_model("messaging", "Hold")
    opened = ticket.objects.filter(status__in=["open", "waiting"]).exclude(customer=None)
    hold.objects.bulk_create(
        [
            hold(
                store_id=store_id, customer_id=customer_id, kind="ticket", reason=f"ticket:{pk}", placed_at=created_at
            )
            for pk, store_id, customer_id, created_at in opened.values_list(
                "pk", "store_id", "customer_id", "created_at"
            )
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


class Migration(migrations.Migration):
    dependencies = [("support", "0001_tickets"), ("messaging", "0004_holds")]

    operations = [migrations.RunPython(place, migrations.RunPython.noop)]
