"""A batch that only brings points in goes column by column: what all its postings leave at the default is neither sent nor parsed."""

from django.db import migrations

SQL = """
-- Another name than before: a program that still runs and sends rows must get an error, and not an empty answer.
DROP FUNCTION loyalty_post_additions(jsonb, timestamptz);

-- Post what brings points in, in one statement for all of it. `batch` is an object of arrays, one place for each posting; a column that is
-- missing is at its default. The places are in the order of the accounts, which are locked in that order, and no cause stands in it twice.
-- `all_new`: causes are not looked up. One that was posted before is an error then, by the constraint.
-- Answers a row for each entry that is new, with its place in the batch.
CREATE FUNCTION loyalty_post_columns(batch jsonb, posted_at timestamptz, all_new boolean)
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
BEGIN
    IF NOT all_new THEN
        -- In a statement of its own: what others posted while this waited for them must be seen below.
        PERFORM FROM loyalty_account
        WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text(batch -> 'account_id')) ORDER BY id FOR NO KEY UPDATE;
    END IF;

    RETURN QUERY
    WITH fresh AS (
        SELECT ordinality, account.id AS account_id, kind, points::bigint, cause, coalesce(shortfall::bigint, 0) AS shortfall,
            order_id::bigint, coalesce(rule, '{}') AS rule, coalesce(note, '') AS note, created_by_id::bigint,
            available_from::timestamptz, expires_at::timestamptz, account.store_id, account.customer_id, account.balance, account.posted,
            coalesce(waits::boolean OR available_from::timestamptz > posted_at, false) AS waits
        FROM ROWS FROM (
            jsonb_array_elements_text(batch -> 'account_id'), jsonb_array_elements_text(batch -> 'kind'),
            jsonb_array_elements_text(batch -> 'points'), jsonb_array_elements_text(batch -> 'cause'),
            jsonb_array_elements_text(batch -> 'shortfall'), jsonb_array_elements_text(batch -> 'order_id'),
            jsonb_array_elements(batch -> 'rule'), jsonb_array_elements_text(batch -> 'note'),
            jsonb_array_elements_text(batch -> 'created_by_id'), jsonb_array_elements_text(batch -> 'pending'),
            jsonb_array_elements_text(batch -> 'available_from'), jsonb_array_elements_text(batch -> 'expires_at')
        ) WITH ORDINALITY AS posting(
            to_account, kind, points, cause, shortfall, order_id, rule, note, created_by_id, waits, available_from, expires_at, ordinality)
        CROSS JOIN LATERAL (SELECT * FROM loyalty_account WHERE id = to_account::bigint FOR NO KEY UPDATE) AS account
        -- One by one by the index: of NOT EXISTS beside OR, PostgreSQL would make one list of all entries there are.
        WHERE all_new OR (
            SELECT entry.id FROM loyalty_ledgerentry AS entry
            WHERE entry.account_id = to_account::bigint AND entry.kind = posting.kind AND entry.cause = posting.cause LIMIT 1) IS NULL
    ), entry AS MATERIALIZED (
        SELECT nextval('loyalty_ledgerentry_id_seq') AS new_entry, *,
            -- A debt is paid by what comes in.
            greatest(least(spendable, spendable - new_balance), 0) AS paid
        FROM (
            SELECT *, posted + row_number() OVER upto AS new_number, balance + sum(spendable) OVER upto AS new_balance
            FROM fresh
            CROSS JOIN LATERAL (
                SELECT CASE WHEN waits THEN 0 ELSE points END AS spendable, CASE WHEN waits THEN points ELSE 0 END AS waiting) AS parts
            WINDOW upto AS (PARTITION BY account_id ORDER BY ordinality)
            ORDER BY account_id, ordinality
        ) AS chain
    ), new_entries AS (
        INSERT INTO loyalty_ledgerentry (
            id, store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, rule, note,
            created_by_id, created_at)
        SELECT new_entry, store_id, account_id, new_number, kind, spendable, waiting, shortfall, new_balance, cause, order_id,
            rule, note, created_by_id, posted_at
        FROM entry
    ), new_lots AS (
        INSERT INTO loyalty_lot (
            store_id, account_id, entry_id, order_id, granted, remaining, available_from, released_at, expires_at)
        SELECT store_id, account_id, new_entry, order_id, points, points - paid, available_from,
            CASE WHEN spendable > 0 THEN posted_at END, expires_at
        FROM entry WHERE points > 0
        RETURNING id, entry_id, granted - remaining AS paid
    ), new_allocations AS (
        INSERT INTO loyalty_allocation (entry_id, lot_id, points)
        SELECT entry_id, id, paid FROM new_lots WHERE paid > 0
    ), moved AS (
        UPDATE loyalty_account AS account SET
            balance = account.balance + summed.spendable, pending = account.pending + summed.waiting,
            earned = account.earned + summed.earned, posted = account.posted + summed.count
        FROM (
            SELECT account_id, sum(spendable) AS spendable, sum(waiting) AS waiting, count(*),
                coalesce(sum(points - shortfall) FILTER (WHERE kind = 'earn'), 0) AS earned
            FROM entry GROUP BY account_id
        ) AS summed
        WHERE account.id = summed.account_id
    )
    SELECT ordinality, new_entry, true, store_id, customer_id, new_number, spendable, waiting, shortfall, new_balance::bigint
    FROM entry ORDER BY new_entry;
END $$;

-- The same, passing over causes that were posted before. Mostly there are none, and to look for each would be a sixth of the work; where the
-- constraint finds one, all is done once more with care.
CREATE FUNCTION loyalty_post_incoming(batch jsonb, posted_at timestamptz)
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql AS $$
BEGIN
    -- A function in FROM has ended before its first row is returned, so that nothing is answered that was taken back.
    RETURN QUERY SELECT * FROM loyalty_post_columns(batch, posted_at, true);
EXCEPTION WHEN unique_violation THEN
    RETURN QUERY SELECT * FROM loyalty_post_columns(batch, posted_at, false);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0026_gift_cards")]

    operations = [migrations.RunSQL(SQL)]
