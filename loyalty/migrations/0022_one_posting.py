"""One posting goes without JSON, without a subtransaction, and with fewer statements; a batch is many of them."""

from django.db import migrations

ONE = """
-- Post one entry. The account is locked first; a cause that was posted before is answered and not posted again. Points come out of lots
-- here: the soonest to expire first, then the oldest.
--
-- With `announce`, what was earned, redeemed and returned is recorded; `types` and `handlers` are who hears of it, `waking` whose drain
-- the caller would wake for it, and `is_awake` whether that is needless (events_record_one).
--
-- Answers the entry, whether it is new, and what it did. If the account has too few points, nothing is posted and there is no `entry_id`:
-- `points` were asked for, `balance_after` was there.
CREATE FUNCTION loyalty_post_one(
    to_account bigint, of_kind text, amount bigint, of_cause text, missing bigint, of_order bigint, by_rule jsonb, noted text,
    by_person bigint, waits boolean, usable_from timestamptz, usable_until timestamptz, from_lot bigint, gives_back bigint,
    posted_at timestamptz, announce boolean, types text[], handlers text[], waking text,
    OUT entry_id bigint, OUT is_new boolean, OUT store_id bigint, OUT customer_id bigint, OUT number bigint,
    OUT points bigint, OUT pending bigint, OUT shortfall bigint, OUT balance_after bigint, OUT is_awake boolean
)
LANGUAGE plpgsql
-- Everything is looked up in the order of an index. A plan that was made while the tables were small is kept, and must not read them
-- whole, or sort all lots of an account for the first, when they have grown.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
DECLARE
    account loyalty_account%ROWTYPE;
    lot record;
    lots bigint[] := '{}';
    parts bigint[] := '{}';
    need bigint;                 -- still to be found
    spendable bigint := 0;       -- what the entry does to the balance
    waiting bigint := 0;         -- … and to what is pending
    missed bigint := missing;    -- the entry's shortfall
    debt bigint;
    used bigint := 0;
    is_refused boolean := false;
BEGIN
    SELECT * INTO STRICT account FROM loyalty_account WHERE id = to_account FOR NO KEY UPDATE;
    store_id := account.store_id;
    customer_id := account.customer_id;

    -- What is to be done. Nothing is written before it is known that the cause is new.
    IF gives_back IS NOT NULL THEN
        spendable := amount;
    ELSIF amount >= 0 THEN
        IF waits OR usable_from > posted_at THEN
            waiting := amount;
        ELSE
            spendable := amount;
        END IF;
    ELSE
        need := -amount;
        IF from_lot IS NOT NULL OR of_kind = 'reverse' AND of_order IS NOT NULL THEN
            -- This lot alone; or an order's own lots first, and of these what is pending.
            FOR lot IN
                SELECT id, remaining, released_at IS NULL AS is_pending FROM loyalty_lot
                WHERE id = from_lot AND account_id = account.id AND is_open
                UNION ALL
                SELECT * FROM (
                    SELECT id, remaining, released_at IS NULL FROM loyalty_lot
                    WHERE from_lot IS NULL AND order_id = of_order AND account_id = account.id AND is_open
                    ORDER BY released_at NULLS FIRST, id
                ) AS own
            LOOP
                used := least(need, lot.remaining);
                lots := lots || lot.id;
                parts := parts || used;
                need := need - used;
                IF lot.is_pending THEN
                    waiting := waiting - used;
                ELSE
                    spendable := spendable - used;
                END IF;
                EXIT WHEN need = 0;
            END LOOP;
        END IF;
        used := CASE WHEN from_lot IS NULL THEN least(need, greatest(account.balance + spendable, 0)) ELSE 0 END;
        IF used = need THEN
            spendable := spendable - used;
        ELSIF from_lot IS NULL AND of_kind IN ('reverse', 'adjust') AND account.unit = 'points' AND EXISTS (
            SELECT FROM loyalty_program AS program WHERE program.store_id = account.store_id AND negative_balance)
        THEN
            spendable := spendable - need;
        ELSIF of_kind = 'reverse' THEN
            missed := missed + need - used;
            spendable := spendable - used;
        ELSE
            is_refused := true;
        END IF;
        IF used > 0 AND NOT is_refused THEN
            FOR lot IN
                SELECT id, remaining FROM loyalty_lot
                WHERE account_id = account.id AND is_open AND released_at IS NOT NULL AND id <> ALL (lots)
                ORDER BY expires_at, id
            LOOP
                lots := lots || lot.id;
                parts := parts || least(used, lot.remaining);
                used := used - least(used, lot.remaining);
                EXIT WHEN used = 0;
            END LOOP;
            IF used > 0 THEN
                RAISE EXCEPTION 'The lots of account % hold less than its balance.', account.id
                    USING ERRCODE = 'data_corrupted';
            END IF;
        END IF;
    END IF;

    IF NOT is_refused THEN
        INSERT INTO loyalty_ledgerentry (
            store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, reverses_id,
            rule, note, created_by_id, created_at)
        VALUES (
            account.store_id, account.id, account.posted + 1, of_kind, spendable, waiting, missed, account.balance + spendable,
            of_cause, of_order, gives_back, by_rule, noted, by_person, posted_at)
        ON CONFLICT (account_id, kind, cause) DO NOTHING
        RETURNING id INTO entry_id;
    END IF;
    is_new := entry_id IS NOT NULL;
    is_awake := true;
    IF NOT is_new THEN
        SELECT id, entry.number, entry.points, entry.pending, entry.shortfall, entry.balance_after
        INTO entry_id, number, points, pending, shortfall, balance_after
        FROM loyalty_ledgerentry AS entry
        WHERE entry.account_id = account.id AND entry.kind = of_kind AND entry.cause = of_cause;
        IF NOT FOUND THEN
            points := amount;
            balance_after := CASE
                WHEN from_lot IS NULL THEN account.balance
                ELSE coalesce((SELECT remaining FROM loyalty_lot WHERE id = from_lot AND account_id = account.id), 0)
            END;
        END IF;
        RETURN;
    END IF;

    UPDATE loyalty_account SET
        balance = account.balance + spendable, pending = account.pending + waiting, posted = account.posted + 1,
        earned = account.earned + CASE WHEN of_kind IN ('earn', 'reverse') THEN spendable + waiting - missed ELSE 0 END
    WHERE id = account.id;
    IF gives_back IS NOT NULL THEN
        -- Back to the lots they came from, the one that lasts longest first. A debt is paid on the way.
        need := amount;
        debt := least(need, greatest(-account.balance, 0));
        FOR lot IN
            SELECT lot.id, lot.expires_at, sum(allocation.points) AS points
            FROM loyalty_ledgerentry AS entry
            JOIN loyalty_allocation AS allocation ON allocation.entry_id = entry.id
            JOIN loyalty_lot AS lot ON lot.id = allocation.lot_id
            WHERE lot.account_id = account.id AND (
                entry.id = gives_back OR entry.reverses_id = gives_back AND allocation.points < 0)
            GROUP BY lot.id HAVING sum(allocation.points) > 0
            ORDER BY lot.expires_at DESC NULLS FIRST, lot.id DESC
        LOOP
            used := least(need, lot.points);
            need := need - used;
            INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (loyalty_post_one.entry_id, lot.id, -used);
            IF debt > 0 THEN
                INSERT INTO loyalty_allocation (entry_id, lot_id, points)
                VALUES (loyalty_post_one.entry_id, lot.id, least(used, debt));
            END IF;
            UPDATE loyalty_lot SET
                remaining = remaining + greatest(used - debt, 0),
                expires_at = CASE WHEN expires_at <= posted_at THEN usable_until ELSE expires_at END
            WHERE id = lot.id;
            debt := greatest(debt - used, 0);
            EXIT WHEN need = 0;
        END LOOP;
        IF need > 0 THEN
            RAISE EXCEPTION 'Entry % has no % points to give back.', gives_back, amount USING ERRCODE = 'check_violation';
        END IF;
    ELSIF amount > 0 THEN
        -- A debt is paid by what comes in.
        debt := least(spendable, greatest(-account.balance, 0));
        INSERT INTO loyalty_lot (
            store_id, account_id, entry_id, order_id, granted, remaining, available_from, released_at, expires_at)
        VALUES (
            account.store_id, account.id, loyalty_post_one.entry_id, of_order, amount, amount - debt, usable_from,
            CASE WHEN spendable > 0 THEN posted_at END, usable_until)
        RETURNING id INTO lot;
        IF debt > 0 THEN
            INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (loyalty_post_one.entry_id, lot.id, debt);
        END IF;
    ELSIF array_length(lots, 1) = 1 THEN
        UPDATE loyalty_lot SET remaining = remaining - parts[1] WHERE id = lots[1];
        INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (loyalty_post_one.entry_id, lots[1], parts[1]);
    ELSIF lots <> '{}' THEN
        UPDATE loyalty_lot AS lot SET remaining = lot.remaining - part.points
        FROM unnest(lots, parts) AS part(lot_id, points) WHERE lot.id = part.lot_id;
        INSERT INTO loyalty_allocation (entry_id, lot_id, points)
        SELECT loyalty_post_one.entry_id, part.lot_id, part.points FROM unnest(lots, parts) AS part(lot_id, points);
    END IF;

    IF announce AND of_kind IN ('earn', 'redeem', 'return') AND spendable + waiting <> 0 THEN
        is_awake := events_record_one(
            account.store_id,
            CASE of_kind WHEN 'earn' THEN 'points.earned' WHEN 'redeem' THEN 'points.redeemed' ELSE 'points.returned' END,
            loyalty_post_one.entry_id::text, account.customer_id, of_order,
            jsonb_build_object(
                'points', abs(spendable + waiting), 'pending', waiting, 'balance', account.balance + spendable),
            posted_at, types, handlers, waking);
    END IF;
    number := account.posted + 1;
    points := spendable;
    pending := waiting;
    shortfall := missed;
    balance_after := account.balance + spendable;
END $$;
"""
BATCH = """
-- Post a batch in one round trip, all of it or nothing: each as loyalty_post_one does, in the order of the accounts' keys, so that no two
-- batches wait for each other. Answers a row for each posting with its place in the batch, or, if one has too few points, that one last.
CREATE OR REPLACE FUNCTION loyalty_post(batch jsonb, posted_at timestamptz, announce boolean, types text[], handlers text[])
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    posting record;
BEGIN
    BEGIN
        FOR posting IN
            SELECT * FROM ROWS FROM (jsonb_to_recordset(batch) AS (
                account_id bigint, kind text, points bigint, cause text, shortfall bigint, order_id bigint, rule jsonb, note text,
                created_by_id bigint, pending boolean, available_from timestamptz, expires_at timestamptz, lot_id bigint,
                reverses_id bigint
            )) WITH ORDINALITY ORDER BY account_id, ordinality
        LOOP
            SELECT posting.ordinality, done.entry_id, done.is_new, done.store_id, done.customer_id, done.number, done.points,
                done.pending, done.shortfall, done.balance_after
            INTO place, entry_id, is_new, store_id, customer_id, number, points, pending, shortfall, balance_after
            FROM loyalty_post_one(
                posting.account_id, posting.kind, posting.points, posting.cause, posting.shortfall, posting.order_id, posting.rule,
                posting.note, posting.created_by_id, posting.pending, posting.available_from, posting.expires_at, posting.lot_id,
                posting.reverses_id, posted_at, announce, types, handlers, NULL) AS done;
            IF entry_id IS NULL THEN
                RAISE EXCEPTION 'too few points' USING ERRCODE = 'PP001';
            END IF;
            RETURN NEXT;
        END LOOP;
        RETURN;
    EXCEPTION WHEN SQLSTATE 'PP001' THEN
        NULL;
    END;
    -- What was returned above is still waiting to be read; the caller looks for the row without an entry.
    RETURN NEXT;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0004_record_one"), ("loyalty", "0021_credit_limit")]

    operations = [migrations.RunSQL(ONE + BATCH)]
