"""The ledger guards itself: entries stay as they are, and a balance moves only together with an entry."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION loyalty_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A whole store may be erased (loyalty.ledger.erasing says so for one transaction); nothing is ever edited.
    IF TG_OP <> 'UPDATE' AND current_setting('postpurchase.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Points entries are never changed or deleted. Post an entry that corrects.'
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON loyalty_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION loyalty_entries_stay();
CREATE TRIGGER entries_stay_all BEFORE TRUNCATE ON loyalty_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_entries_stay();


CREATE FUNCTION loyalty_move_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    UPDATE loyalty_account AS account SET balance = account.balance + moved.points
    FROM (SELECT account_id, sum(points) AS points FROM posted GROUP BY account_id) AS moved
    WHERE account.id = moved.account_id;

    -- Going back from the new balance, each entry must find the balance that it claims to have made.
    SELECT chain.id INTO wrong
    FROM (
        SELECT id, store_id, account_id,
            balance_after + sum(points) OVER (PARTITION BY account_id ORDER BY id DESC) - points AS balance
        FROM posted
    ) AS chain
    JOIN loyalty_account AS account ON account.id = chain.account_id
    WHERE account.balance <> chain.balance OR account.store_id <> chain.store_id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Points entry % does not follow from the entry before it.', wrong.id
            USING ERRCODE = 'check_violation';
    END IF;

    SELECT account.id INTO wrong
    FROM posted JOIN loyalty_account AS account ON account.id = posted.account_id
    WHERE account.balance < 0 AND posted.points < 0 AND NOT EXISTS (
        SELECT FROM loyalty_program AS program WHERE program.store_id = account.store_id AND program.negative_balance)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The programme lets no balance go below zero (account %).', wrong.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER move_balances AFTER INSERT ON loyalty_ledgerentry
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION loyalty_move_balances();


CREATE FUNCTION loyalty_refuse_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A points balance moves only by posting an entry.' USING ERRCODE = 'restrict_violation';
END $$;

-- Depth 0 is a statement of a client; the move above runs inside its trigger.
CREATE TRIGGER balance_moves_by_entry BEFORE UPDATE ON loyalty_account
    FOR EACH ROW WHEN (OLD.balance IS DISTINCT FROM NEW.balance AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION loyalty_refuse_balance();
CREATE TRIGGER balance_begins_at_zero BEFORE INSERT ON loyalty_account
    FOR EACH ROW WHEN (NEW.balance <> 0) EXECUTE FUNCTION loyalty_refuse_balance();
"""

BACK = """
DROP TRIGGER balance_begins_at_zero ON loyalty_account;
DROP TRIGGER balance_moves_by_entry ON loyalty_account;
DROP FUNCTION loyalty_refuse_balance();
DROP TRIGGER move_balances ON loyalty_ledgerentry;
DROP FUNCTION loyalty_move_balances();
DROP TRIGGER entries_stay_all ON loyalty_ledgerentry;
DROP TRIGGER entries_stay ON loyalty_ledgerentry;
DROP FUNCTION loyalty_entries_stay();
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_points")]

    operations = [migrations.RunSQL(FORWARD, BACK)]
