"""The functions that post, and the guards that let nothing else write (docs/ledger.md)."""

from django.db import migrations

GUARDS = """
CREATE FUNCTION loyalty_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

-- A whole store may be erased (loyalty.ledger.erasing says so for one transaction); nothing is ever edited.
CREATE TRIGGER entries_stay BEFORE UPDATE ON loyalty_ledgerentry FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_refuse('Points entries are never changed or deleted. Post an entry that corrects.');
CREATE TRIGGER entries_are_kept BEFORE DELETE OR TRUNCATE ON loyalty_ledgerentry FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Points entries are never changed or deleted. Post an entry that corrects.');
CREATE TRIGGER allocations_stay BEFORE UPDATE ON loyalty_allocation FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_refuse('Allocations of points are never changed or deleted.');
CREATE TRIGGER allocations_are_kept BEFORE DELETE OR TRUNCATE ON loyalty_allocation FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Allocations of points are never changed or deleted.');
CREATE TRIGGER lots_are_kept BEFORE DELETE OR TRUNCATE ON loyalty_lot FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Lots of points are never deleted.');

-- The functions below switch this on for themselves alone. The question is put once for a statement and not for its rows.
CREATE TRIGGER entries_are_posted BEFORE INSERT ON loyalty_ledgerentry FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Points move only by posting: loyalty.ledger does it.');
CREATE TRIGGER allocations_are_posted BEFORE INSERT ON loyalty_allocation FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Points move only by posting: loyalty.ledger does it.');
-- When a lot may be spent and when it expires is no matter of sums.
CREATE TRIGGER lots_are_posted BEFORE INSERT OR UPDATE OF store_id, account_id, entry_id, granted, remaining, released_at
    ON loyalty_lot FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('Points move only by posting: loyalty.ledger does it.');
CREATE TRIGGER balance_begins_at_zero BEFORE INSERT ON loyalty_account FOR EACH ROW
    WHEN (NEW.balance <> 0 OR NEW.pending <> 0 OR NEW.earned <> 0 OR NEW.posted <> 0)
    EXECUTE FUNCTION loyalty_refuse('A points balance moves only by posting an entry.');
CREATE TRIGGER balance_moves_by_posting BEFORE UPDATE ON loyalty_account FOR EACH ROW
    WHEN ((OLD.balance, OLD.pending, OLD.earned, OLD.posted, OLD.store_id, OLD.unit)
            IS DISTINCT FROM (NEW.balance, NEW.pending, NEW.earned, NEW.posted, NEW.store_id, NEW.unit)
        AND current_setting('postpurchase.posting', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('A points balance moves only by posting an entry.');

-- Room on each page for the next version of a row, so that no index has to learn of it.
ALTER TABLE loyalty_account SET (fillfactor = 70);
ALTER TABLE loyalty_lot SET (fillfactor = 85);
"""

POST = """
-- Post a batch in one round trip. Each account is locked once, in the order of the keys; what was posted before is answered and
-- not posted again. Points come out of lots here: the soonest to expire first, then the oldest.
--
-- Answers a row for each posting: its place in the batch, its entry, whether it stood there before, and what it did. If an account has
-- too few points, nothing is posted and the one answer has no entry: `points` were asked for, `balance_after` was there.
CREATE FUNCTION loyalty_post(batch jsonb, posted_at timestamptz)
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
DECLARE
    posting record;
    account loyalty_account%ROWTYPE;
    lot record;
    new_entry bigint;
    lots bigint[];
    parts bigint[];
    need bigint;      -- still to be found
    spendable bigint; -- what the entry does to the balance
    waiting bigint;   -- … and to what is pending
    missed bigint;    -- the entry's shortfall
    debt bigint;
    used bigint;
BEGIN
    BEGIN
        FOR posting IN
            SELECT * FROM ROWS FROM (jsonb_to_recordset(batch) AS (
                account_id bigint, kind text, points bigint, cause text, shortfall bigint, order_id bigint, rule jsonb, note text,
                created_by_id bigint, pending boolean, available_from timestamptz, expires_at timestamptz, lot_id bigint,
                reverses_id bigint
            )) WITH ORDINALITY ORDER BY account_id, ordinality
        LOOP
            place := posting.ordinality;
            IF account.id IS DISTINCT FROM posting.account_id THEN
                IF account.id IS NOT NULL THEN
                    UPDATE loyalty_account SET
                        balance = account.balance, pending = account.pending, earned = account.earned, posted = account.posted
                    WHERE id = account.id AND posted <> account.posted;
                END IF;
                SELECT * INTO STRICT account FROM loyalty_account WHERE id = posting.account_id FOR NO KEY UPDATE;
                store_id := account.store_id;
                customer_id := account.customer_id;
            END IF;
            SELECT id, entry.number, entry.points, entry.pending, entry.shortfall, entry.balance_after
            INTO entry_id, number, points, pending, shortfall, balance_after
            FROM loyalty_ledgerentry AS entry
            WHERE entry.account_id = account.id AND entry.kind = posting.kind AND entry.cause = posting.cause;
            IF FOUND THEN
                is_new := false;
                RETURN NEXT;
                CONTINUE;
            END IF;

            new_entry := nextval('loyalty_ledgerentry_id_seq');
            spendable := 0;
            waiting := 0;
            missed := posting.shortfall;
            lots := '{}';
            parts := '{}';

            IF posting.reverses_id IS NOT NULL THEN
                -- Back to the lots they came from, the one that lasts longest first. A debt is paid on the way.
                need := posting.points;
                debt := least(need, greatest(-account.balance, 0));
                FOR lot IN
                    SELECT lot.id, lot.expires_at, sum(allocation.points) AS points
                    FROM loyalty_ledgerentry AS entry
                    JOIN loyalty_allocation AS allocation ON allocation.entry_id = entry.id
                    JOIN loyalty_lot AS lot ON lot.id = allocation.lot_id
                    WHERE lot.account_id = account.id AND (
                        entry.id = posting.reverses_id
                        OR entry.reverses_id = posting.reverses_id AND allocation.points < 0)
                    GROUP BY lot.id HAVING sum(allocation.points) > 0
                    ORDER BY lot.expires_at DESC NULLS FIRST, lot.id DESC
                LOOP
                    used := least(need, lot.points);
                    need := need - used;
                    INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (new_entry, lot.id, -used);
                    IF debt > 0 THEN
                        INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (new_entry, lot.id, least(used, debt));
                    END IF;
                    UPDATE loyalty_lot SET
                        remaining = remaining + greatest(used - debt, 0),
                        expires_at = CASE WHEN expires_at <= posted_at THEN posting.expires_at ELSE expires_at END
                    WHERE id = lot.id;
                    debt := greatest(debt - used, 0);
                    EXIT WHEN need = 0;
                END LOOP;
                IF need > 0 THEN
                    RAISE EXCEPTION 'Entry % has no % points to give back.', posting.reverses_id, posting.points
                        USING ERRCODE = 'check_violation';
                END IF;
                spendable := posting.points;

            ELSIF posting.points >= 0 THEN
                IF posting.pending OR posting.available_from > posted_at THEN
                    waiting := posting.points;
                ELSE
                    spendable := posting.points;
                END IF;
                IF posting.points > 0 THEN
                    -- A debt is paid by what comes in.
                    used := least(spendable, greatest(-account.balance, 0));
                    INSERT INTO loyalty_lot (
                        store_id, account_id, entry_id, order_id, granted, remaining, available_from, released_at, expires_at)
                    VALUES (
                        account.store_id, account.id, new_entry, posting.order_id, posting.points, posting.points - used,
                        posting.available_from, CASE WHEN spendable > 0 THEN posted_at END, posting.expires_at)
                    RETURNING id INTO lot;
                    IF used > 0 THEN
                        INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (new_entry, lot.id, used);
                    END IF;
                END IF;

            ELSE
                need := -posting.points;
                IF posting.lot_id IS NOT NULL OR posting.kind = 'reverse' AND posting.order_id IS NOT NULL THEN
                    -- This lot alone; or an order's own lots first, and of these what is pending.
                    FOR lot IN
                        SELECT id, remaining, released_at IS NULL AS is_pending FROM loyalty_lot
                        WHERE id = posting.lot_id AND account_id = account.id AND is_open
                        UNION ALL
                        SELECT * FROM (
                            SELECT id, remaining, released_at IS NULL FROM loyalty_lot
                            WHERE posting.lot_id IS NULL
                                AND order_id = posting.order_id AND account_id = account.id AND is_open
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
                used := CASE WHEN posting.lot_id IS NULL THEN least(need, greatest(account.balance + spendable, 0)) ELSE 0 END;
                IF used < need THEN
                    IF posting.lot_id IS NULL AND posting.kind IN ('reverse', 'adjust') AND account.unit = 'points' AND EXISTS (
                        SELECT FROM loyalty_program AS program WHERE program.store_id = account.store_id AND negative_balance)
                    THEN
                        spendable := spendable - need;
                    ELSIF posting.kind = 'reverse' THEN
                        missed := missed + need - used;
                        spendable := spendable - used;
                    ELSE
                        RAISE EXCEPTION 'too few points' USING ERRCODE = 'PP001';
                    END IF;
                ELSE
                    spendable := spendable - used;
                END IF;
                IF used > 0 THEN
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
                IF array_length(lots, 1) = 1 THEN
                    UPDATE loyalty_lot SET remaining = remaining - parts[1] WHERE id = lots[1];
                    INSERT INTO loyalty_allocation (entry_id, lot_id, points) VALUES (new_entry, lots[1], parts[1]);
                ELSIF lots <> '{}' THEN
                    UPDATE loyalty_lot AS lot SET remaining = lot.remaining - part.points
                    FROM unnest(lots, parts) AS part(lot_id, points) WHERE lot.id = part.lot_id;
                    INSERT INTO loyalty_allocation (entry_id, lot_id, points)
                    SELECT new_entry, part.lot_id, part.points FROM unnest(lots, parts) AS part(lot_id, points);
                END IF;
            END IF;

            account.balance := account.balance + spendable;
            account.pending := account.pending + waiting;
            account.posted := account.posted + 1;
            IF posting.kind IN ('earn', 'reverse') THEN
                account.earned := account.earned + spendable + waiting - missed;
            END IF;
            INSERT INTO loyalty_ledgerentry (
                id, store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, reverses_id,
                rule, note, created_by_id, created_at)
            VALUES (
                new_entry, account.store_id, account.id, account.posted, posting.kind, spendable, waiting, missed, account.balance,
                posting.cause, posting.order_id, posting.reverses_id, posting.rule, posting.note, posting.created_by_id, posted_at);
            entry_id := new_entry;
            is_new := true;
            number := account.posted;
            points := spendable;
            pending := waiting;
            shortfall := missed;
            balance_after := account.balance;
            RETURN NEXT;
        END LOOP;
        UPDATE loyalty_account SET
            balance = account.balance, pending = account.pending, earned = account.earned, posted = account.posted
        WHERE id = account.id AND posted <> account.posted;
        RETURN;
    EXCEPTION WHEN SQLSTATE 'PP001' THEN
        NULL;
    END;
    -- What was returned above is still waiting to be read; the caller looks for the row without an entry.
    entry_id := NULL;
    points := posting.points;
    balance_after := CASE
        WHEN posting.lot_id IS NULL THEN account.balance
        ELSE coalesce((SELECT remaining FROM loyalty_lot WHERE id = posting.lot_id AND account_id = account.id), 0)
    END;
    RETURN NEXT;
END $$;
"""

ADD = """
-- The same for a batch that only brings points in: one statement for all of it.
CREATE FUNCTION loyalty_post_additions(batch jsonb, posted_at timestamptz)
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM loyalty_account
    WHERE id IN (SELECT account_id FROM jsonb_to_recordset(batch) AS posting(account_id bigint))
    ORDER BY id FOR NO KEY UPDATE;

    RETURN QUERY
    WITH posting AS MATERIALIZED (
        SELECT DISTINCT ON (account_id, kind, cause) *
        FROM ROWS FROM (jsonb_to_recordset(batch) AS (
            account_id bigint, kind text, points bigint, cause text, shortfall bigint, order_id bigint, rule jsonb, note text,
            created_by_id bigint, pending boolean, available_from timestamptz, expires_at timestamptz
        )) WITH ORDINALITY
        ORDER BY account_id, kind, cause, ordinality
    ), fresh AS (
        SELECT posting.*, account.store_id, account.customer_id, account.balance, account.posted,
            CASE WHEN waits THEN 0 ELSE points END AS spendable, CASE WHEN waits THEN points ELSE 0 END AS waiting
        FROM posting
        CROSS JOIN LATERAL (SELECT coalesce(posting.pending OR posting.available_from > posted_at, false) AS waits) AS when_usable
        JOIN loyalty_account AS account ON account.id = posting.account_id
        WHERE NOT EXISTS (
            SELECT FROM loyalty_ledgerentry AS entry
            WHERE entry.account_id = posting.account_id AND entry.kind = posting.kind AND entry.cause = posting.cause)
    ), chain AS (
        SELECT *, posted + row_number() OVER upto AS new_number, balance + sum(spendable) OVER upto AS new_balance
        FROM fresh WINDOW upto AS (PARTITION BY account_id ORDER BY ordinality)
        ORDER BY account_id, ordinality
    ), entry AS MATERIALIZED (
        -- A debt is paid by what comes in.
        SELECT nextval('loyalty_ledgerentry_id_seq') AS new_entry, chain.*,
            greatest(least(spendable, spendable - new_balance), 0) AS paid
        FROM chain
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
"""

RELEASE = """
-- Release pending lots whose day has come, at most so many at once; answers what each became.
CREATE FUNCTION loyalty_release(of_store bigint, released timestamptz, at_most integer)
RETURNS TABLE (entry_id bigint, customer_id bigint, order_id bigint, points bigint, balance_after bigint)
LANGUAGE plpgsql SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
DECLARE
    due bigint[];
BEGIN
    due := ARRAY(
        SELECT id FROM loyalty_lot
        WHERE store_id = of_store AND is_open AND released_at IS NULL AND available_from <= released
        ORDER BY available_from LIMIT at_most);
    IF due = '{}' THEN
        RETURN;
    END IF;
    PERFORM FROM loyalty_account WHERE id IN (SELECT account_id FROM loyalty_lot WHERE id = ANY (due))
    ORDER BY id FOR NO KEY UPDATE;

    RETURN QUERY
    WITH lot AS MATERIALIZED (
        -- Read again under the lock: a refund, or another process, may have been quicker.
        SELECT lot.*, account.customer_id, account.balance, account.posted
        FROM loyalty_lot AS lot JOIN loyalty_account AS account ON account.id = lot.account_id
        WHERE lot.id = ANY (due) AND is_open AND released_at IS NULL AND available_from <= released
    ), chain AS (
        SELECT *, posted + row_number() OVER upto AS new_number, balance + sum(remaining) OVER upto AS new_balance
        FROM lot WINDOW upto AS (PARTITION BY account_id ORDER BY available_from, id)
        ORDER BY account_id, available_from, id
    ), entry AS MATERIALIZED (
        SELECT nextval('loyalty_ledgerentry_id_seq') AS new_entry, chain.*,
            greatest(least(remaining, remaining - new_balance), 0) AS paid
        FROM chain
    ), new_entries AS (
        INSERT INTO loyalty_ledgerentry (
            id, store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, rule, note, created_at)
        SELECT new_entry, store_id, account_id, new_number, 'release', remaining, -remaining, 0, new_balance, 'lot:' || id, order_id,
            jsonb_build_object('lot', id, 'entry', entry_id), '', released
        FROM entry
    ), new_allocations AS (
        INSERT INTO loyalty_allocation (entry_id, lot_id, points) SELECT new_entry, id, paid FROM entry WHERE paid > 0
    ), moved_lots AS (
        UPDATE loyalty_lot AS lot SET released_at = released, remaining = lot.remaining - entry.paid
        FROM entry WHERE lot.id = entry.id
    ), moved AS (
        UPDATE loyalty_account AS account SET
            balance = account.balance + summed.points, pending = account.pending - summed.points,
            posted = account.posted + summed.count
        FROM (SELECT account_id, sum(remaining) AS points, count(*) FROM entry GROUP BY account_id) AS summed
        WHERE account.id = summed.account_id
    )
    SELECT new_entry, customer_id, order_id, remaining, new_balance::bigint FROM entry ORDER BY new_entry;
END $$;
"""

EXPIRE = """
-- Take what is left in lots whose last day is over, at most so many at once and none of the spared accounts.
CREATE FUNCTION loyalty_expire(of_store bigint, expired timestamptz, at_most integer, spared bigint[])
RETURNS TABLE (entry_id bigint, customer_id bigint, order_id bigint, points bigint, balance_after bigint)
LANGUAGE plpgsql SET postpurchase.posting = 'on' AS $$
#variable_conflict use_column
DECLARE
    due bigint[];
BEGIN
    due := ARRAY(
        SELECT id FROM loyalty_lot
        WHERE store_id = of_store AND is_open AND released_at IS NOT NULL AND expires_at <= expired
            AND account_id <> ALL (spared)
        ORDER BY expires_at LIMIT at_most);
    IF due = '{}' THEN
        RETURN;
    END IF;
    PERFORM FROM loyalty_account WHERE id IN (SELECT account_id FROM loyalty_lot WHERE id = ANY (due))
    ORDER BY id FOR NO KEY UPDATE;

    RETURN QUERY
    WITH lot AS MATERIALIZED (
        SELECT lot.*, account.customer_id, account.balance, account.posted
        FROM loyalty_lot AS lot JOIN loyalty_account AS account ON account.id = lot.account_id
        WHERE lot.id = ANY (due) AND is_open AND expires_at <= expired
    ), chain AS (
        SELECT *, posted + row_number() OVER upto AS new_number, balance - sum(remaining) OVER upto AS new_balance
        FROM lot WINDOW upto AS (PARTITION BY account_id ORDER BY expires_at, id)
        ORDER BY account_id, expires_at, id
    ), entry AS MATERIALIZED (
        SELECT nextval('loyalty_ledgerentry_id_seq') AS new_entry, chain.* FROM chain
    ), new_entries AS (
        INSERT INTO loyalty_ledgerentry (
            id, store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, rule, note, created_at)
        SELECT new_entry, store_id, account_id, new_number, 'expire', -remaining, 0, 0, new_balance,
            -- A lot that was given back to may expire again, and then on a later day.
            'lot:' || id || ':' || extract(epoch FROM expires_at), NULL,
            jsonb_build_object('lot', id, 'entry', entry_id, 'granted', granted, 'expired_at', expires_at), '', expired
        FROM entry
    ), new_allocations AS (
        INSERT INTO loyalty_allocation (entry_id, lot_id, points) SELECT new_entry, id, remaining FROM entry
    ), moved_lots AS (
        UPDATE loyalty_lot AS lot SET remaining = 0 FROM entry WHERE lot.id = entry.id
    ), moved AS (
        UPDATE loyalty_account AS account SET
            balance = account.balance - summed.points, posted = account.posted + summed.count
        FROM (SELECT account_id, sum(remaining) AS points, count(*) FROM entry GROUP BY account_id) AS summed
        WHERE account.id = summed.account_id
    )
    SELECT new_entry, customer_id, order_id, remaining, new_balance::bigint FROM entry ORDER BY new_entry;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0006_old_points_become_lots")]

    operations = [migrations.RunSQL(GUARDS), migrations.RunSQL(POST + ADD), migrations.RunSQL(RELEASE + EXPIRE)]
