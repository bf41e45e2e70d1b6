"""Recording is on the way of every order and of every posting of points: as a function its plan is kept, and others may call it in theirs."""

from django.db import migrations

FORWARD = """
-- Facts are objects of store_id, type, key, customer_id, order_id, data and occurred_at. `types` and `handlers` are pairs: who hears of
-- what. Answers the events that are new.
CREATE FUNCTION events_record(facts jsonb, recorded_at timestamptz, types text[], handlers text[])
RETURNS TABLE (event_id bigint, event_type text, event_key text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
    WITH new AS (
        INSERT INTO events_event (store_id, type, key, customer_id, order_id, data, occurred_at, created_at)
        SELECT store_id, type, key, customer_id, order_id, data, occurred_at, recorded_at
        FROM jsonb_to_recordset(facts) AS fact(
            store_id bigint, type text, key text, customer_id bigint, order_id bigint, data jsonb, occurred_at timestamptz)
        -- In one order always, or two writers of the same facts could each wait for the other.
        ORDER BY store_id, type, key
        ON CONFLICT (store_id, type, key) DO NOTHING
        RETURNING id, type, key
    ), owed AS (
        INSERT INTO events_handling (event_id, handler, state, attempts, error, due_at, created_at)
        SELECT new.id, subscriber.handler, 'due', 0, '', recorded_at, recorded_at
        FROM new JOIN unnest(types, handlers) AS subscriber(type, handler) USING (type)
        ORDER BY new.id, subscriber.handler
    )
    SELECT new.id, new.type::text, new.key::text FROM new;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0002_claimed_by")]

    operations = [
        migrations.RunSQL(FORWARD, "DROP FUNCTION events_record(jsonb, timestamptz, text[], text[])"),
    ]
