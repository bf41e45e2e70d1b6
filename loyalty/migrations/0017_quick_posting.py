"""Posting in one round trip with its events, with plans that are kept and no check that costs more than it proves."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


SQL = """
DROP FUNCTION loyalty_post(jsonb, timestamptz);
ALTER FUNCTION loyalty_post_additions SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION loyalty_post_additions SET enable_seqscan = off;

-- A condition on a trigger is read anew for each statement, a function is not.
CREATE FUNCTION loyalty_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('postpurchase.posting', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER entries_are_posted ON loyalty_ledgerentry;
DROP TRIGGER allocations_are_posted ON loyalty_allocation;
DROP TRIGGER lots_are_posted ON loyalty_lot;
DROP TRIGGER balance_moves_by_posting ON loyalty_account;
CREATE TRIGGER entries_are_posted BEFORE INSERT ON loyalty_ledgerentry FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_guard('Points move only by posting: loyalty.ledger does it.');
CREATE TRIGGER allocations_are_posted BEFORE INSERT ON loyalty_allocation FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_guard('Points move only by posting: loyalty.ledger does it.');
-- When a lot may be spent and when it expires is no matter of sums.
CREATE TRIGGER lots_are_posted BEFORE INSERT OR UPDATE OF store_id, account_id, entry_id, granted, remaining, released_at
    ON loyalty_lot FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_guard('Points move only by posting: loyalty.ledger does it.');
-- Whoever saves an account names the fields.
CREATE TRIGGER balance_moves_by_posting BEFORE UPDATE OF balance, pending, earned, posted, store_id, unit
    ON loyalty_account FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_guard('A points balance moves only by posting an entry.');

-- Foreign keys no longer keep an account that was posted to.
CREATE TRIGGER accounts_are_kept BEFORE DELETE ON loyalty_account FOR EACH ROW
    WHEN (OLD.posted > 0 AND current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('An account with points entries is never deleted.');
CREATE TRIGGER accounts_are_kept_all BEFORE TRUNCATE ON loyalty_account FOR EACH STATEMENT
    WHEN (current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('An account with points entries is never deleted.');

-- Post a batch in one round trip. Each account is locked once, in the order of the keys; what was posted before is answered and
-- not posted again. Points come out of lots here: the soonest to expire first, then the oldest.
--
-- With `announce`, what was earned, redeemed and returned is recorded; `types` and `handlers` are who hears of it (events_record).
--
-- Answers a row for each posting: its place in the batch, its entry, whether it stood there before, and what it did. If an account has
-- too few points, nothing is posted and the one answer has no entry: `points` were asked for, `balance_after` was there.
CREATE FUNCTION loyalty_post(batch jsonb, posted_at timestamptz, announce boolean, types text[], handlers text[])
RETURNS TABLE (
    place bigint, entry_id bigint, is_new boolean, store_id bigint, customer_id bigint, number bigint,
    points bigint, pending bigint, shortfall bigint, balance_after bigint
)
LANGUAGE plpgsql
-- Everything is looked up in the order of an index. A plan that was made while the tables were small is kept, and must not read them whole,
-- or sort all lots of an account for the first, when they have grown.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET postpurchase.posting = 'on' AS $$
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
    facts jsonb := '[]';
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
            IF announce AND posting.kind IN ('earn', 'redeem', 'return') AND spendable + waiting <> 0 THEN
                facts := facts || jsonb_build_object(
                    'store_id', account.store_id, 'key', new_entry, 'customer_id', account.customer_id,
                    'type', CASE posting.kind
                        WHEN 'earn' THEN 'points.earned' WHEN 'redeem' THEN 'points.redeemed' ELSE 'points.returned' END,
                    'order_id', posting.order_id, 'occurred_at', posted_at, 'data', jsonb_build_object(
                        'points', abs(spendable + waiting), 'pending', waiting, 'balance', account.balance));
            END IF;
        END LOOP;
        UPDATE loyalty_account SET
            balance = account.balance, pending = account.pending, earned = account.earned, posted = account.posted
        WHERE id = account.id AND posted <> account.posted;
        IF facts <> '[]' THEN
            PERFORM FROM events_record(facts, clock_timestamp(), types, handlers);
        END IF;
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


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0003_record_function'),
        ('loyalty', '0016_adjustments_by_programs'),
        ('orders', '0006_erasures'),
        ('stores', '0005_sync_scopes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='entry_sign_of_kind',
        ),
        migrations.RemoveIndex(
            model_name='lot',
            name='lot_of_account',
        ),
        migrations.AlterField(
            model_name='allocation',
            name='entry',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name='allocations', to='loyalty.ledgerentry', verbose_name='entry'),
        ),
        migrations.AlterField(
            model_name='allocation',
            name='lot',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='allocations', to='loyalty.lot', verbose_name='lot'),
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.RESTRICT, related_name='entries', to='loyalty.account', verbose_name='account'),
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='store',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stores.store', verbose_name='store'),
        ),
        migrations.AlterField(
            model_name='lot',
            name='account',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.RESTRICT, related_name='lots', to='loyalty.account', verbose_name='account'),
        ),
        migrations.AlterField(
            model_name='lot',
            name='entry',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.RESTRICT, related_name='lots', to='loyalty.ledgerentry', verbose_name='entry'),
        ),
        migrations.AlterField(
            model_name='lot',
            name='store',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stores.store', verbose_name='store'),
        ),
        migrations.AddIndex(
            model_name='lot',
            index=models.Index(condition=models.Q(('is_open', True), ('released_at__isnull', True)), fields=['account'], name='lot_pending'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('kind__in', ['earn', 'return']), ('pending__gte', 0), ('points__gte', 0)), models.Q(('kind__in', ['reverse', 'redeem', 'expire']), ('pending__lte', 0), ('points__lte', 0)), models.Q(('kind', 'release'), ('points__gt', 0)), ('kind', 'adjust'), _connector='OR'), models.Q(('pending', 0), ('points', 0), ('shortfall', 0), _negated=True), models.Q(('shortfall', 0), ('kind__in', ['earn', 'reverse']), _connector='OR')), name='entry_sign_of_kind'),
        ),
        migrations.RunSQL(SQL),
    ]
