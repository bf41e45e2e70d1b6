"""Points that were posted before there were lots: each incoming entry is a lot, and what was taken came out of the oldest first."""

from django.db import migrations

FORWARD = """
-- The next migration guards the ledger anew.
DROP TRIGGER balance_begins_at_zero ON loyalty_account;
DROP TRIGGER balance_moves_by_entry ON loyalty_account;
DROP FUNCTION loyalty_refuse_balance();
DROP TRIGGER move_balances ON loyalty_ledgerentry;
DROP FUNCTION loyalty_move_balances();
DROP TRIGGER entries_stay_all ON loyalty_ledgerentry;
DROP TRIGGER entries_stay ON loyalty_ledgerentry;
DROP FUNCTION loyalty_entries_stay();

UPDATE loyalty_ledgerentry AS entry SET number = numbered.number
FROM (SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY id) AS number FROM loyalty_ledgerentry) AS numbered
WHERE numbered.id = entry.id;

UPDATE loyalty_account AS account SET posted = summed.posted, earned = summed.earned
FROM (
    SELECT account_id, count(*) AS posted,
        coalesce(sum(points - shortfall) FILTER (WHERE kind IN ('earn', 'reverse')), 0) AS earned
    FROM loyalty_ledgerentry GROUP BY account_id
) AS summed
WHERE summed.account_id = account.id;

INSERT INTO loyalty_lot (store_id, account_id, entry_id, order_id, granted, remaining, released_at)
SELECT store_id, account_id, id, order_id, points, points, created_at
FROM loyalty_ledgerentry WHERE points > 0 ORDER BY id;

-- Of one account, what came in and what was taken are two rulers side by side; where they overlap, the one came out of the other.
-- So a debt is paid by what comes in later.
WITH incoming AS (
    SELECT id, account_id, granted AS points,
        sum(granted) OVER (PARTITION BY account_id ORDER BY id) - granted AS before
    FROM loyalty_lot
), taken AS (
    SELECT id, account_id, -points AS points,
        sum(-points) OVER (PARTITION BY account_id ORDER BY id) + points AS before
    FROM loyalty_ledgerentry WHERE points < 0
)
INSERT INTO loyalty_allocation (entry_id, lot_id, points)
SELECT taken.id, incoming.id,
    least(taken.before + taken.points, incoming.before + incoming.points) - greatest(taken.before, incoming.before)
FROM taken JOIN incoming ON incoming.account_id = taken.account_id
    AND incoming.before < taken.before + taken.points AND taken.before < incoming.before + incoming.points
ORDER BY taken.id, incoming.id;

UPDATE loyalty_lot AS lot SET remaining = lot.granted - used.points
FROM (SELECT lot_id, sum(points) AS points FROM loyalty_allocation GROUP BY lot_id) AS used
WHERE used.lot_id = lot.id;

SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0005_lots")]

    operations = [migrations.RunSQL(FORWARD)]
