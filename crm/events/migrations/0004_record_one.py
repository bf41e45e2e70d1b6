"""A single fact needs no batch; and indexes go that are the beginning of another one."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
-- The same as events_record for one fact. `waking` names the table whose drain the caller would wake for it: whether that one was asked
-- for already is the answer. Its row is locked until the caller commits, so that a drain which begins meanwhile (it deletes that row
-- first) waits and sees the event. Only for who commits at once.
CREATE FUNCTION events_record_one(
    of_store bigint, of_type text, of_key text, of_customer bigint, of_order bigint, told jsonb, happened_at timestamptz,
    types text[], handlers text[], waking text
) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    recorded_at timestamptz := clock_timestamp();
    new_event bigint;
    is_awake boolean := false;
BEGIN
    INSERT INTO events_event (store_id, type, key, customer_id, order_id, data, occurred_at, created_at)
    VALUES (of_store, of_type, of_key, of_customer, of_order, told, happened_at, recorded_at)
    ON CONFLICT (store_id, type, key) DO NOTHING
    RETURNING id INTO new_event;
    IF new_event IS NULL OR of_type <> ALL (types) THEN
        RETURN true;
    END IF;
    INSERT INTO events_handling (event_id, handler, state, attempts, error, due_at, created_at)
    SELECT new_event, handler, 'due', 0, '', recorded_at, recorded_at
    FROM unnest(types, handlers) AS subscriber(type, handler) WHERE type = of_type;
    IF waking IS NOT NULL THEN
        PERFORM FROM work_wake WHERE label = waking FOR KEY SHARE;
        is_awake := FOUND;
    END IF;
    RETURN is_awake;
END $$;
"""
BACK = "DROP FUNCTION events_record_one(bigint, text, text, bigint, bigint, jsonb, timestamptz, text[], text[], text)"


class Migration(migrations.Migration):
    dependencies = [("events", "0003_record_function"), ("orders", "0001_initial"), ("stores", "0001_initial"), ("work", "0001_initial")]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.AlterField(
            model_name="event",
            name="customer",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="events", to="orders.customer", verbose_name="customer"),
        ),
        migrations.AlterField(
            model_name="event",
            name="store",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="stores.store"),
        ),
        migrations.AlterField(
            model_name="handling",
            name="event",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="handlings", to="events.event"),
        ),
    ]
