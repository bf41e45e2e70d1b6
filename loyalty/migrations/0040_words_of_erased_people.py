"""An entry's words can be emptied while a person is erased. Nothing else of it, and by nobody else (docs/ledger.md)."""

from django.db import migrations

NEVER = "Points entries are never changed or deleted. Post an entry that corrects."
FORWARD = f"""
DROP TRIGGER entries_stay ON loyalty_ledgerentry;
CREATE TRIGGER entries_stay BEFORE UPDATE OF
    id, store_id, account_id, number, kind, points, pending, shortfall, balance_after, cause, order_id, reverses_id, rule,
    created_by_id, created_at
    ON loyalty_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse('{NEVER}');
CREATE TRIGGER entries_words_stay BEFORE UPDATE OF note ON loyalty_ledgerentry FOR EACH ROW
    WHEN (NEW.note <> '' OR current_setting('postpurchase.erasing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION loyalty_refuse('{NEVER}');
"""
BACKWARD = f"""
DROP TRIGGER entries_words_stay ON loyalty_ledgerentry;
DROP TRIGGER entries_stay ON loyalty_ledgerentry;
CREATE TRIGGER entries_stay BEFORE UPDATE ON loyalty_ledgerentry FOR EACH STATEMENT
    EXECUTE FUNCTION loyalty_refuse('{NEVER}');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0039_codes_come_back_in_parts'),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
