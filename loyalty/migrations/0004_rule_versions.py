"""The database keeps every version of what points are earned by, whoever changes it and how."""

from django.db import migrations

TABLES = {"program": "program", "rule": "earningrule", "campaign": "campaign", "occasion": "occasion"}

FORWARD = """
CREATE FUNCTION loyalty_keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Later than any version of before, within one transaction, too.
    at timestamptz := clock_timestamp();
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) = to_jsonb(OLD) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE loyalty_ruleversion SET valid_until = at
        WHERE "of" = TG_ARGV[0] AND object_id = OLD.id AND valid_until IS NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO loyalty_ruleversion (store_id, "of", object_id, number, content, valid_from)
        SELECT NEW.store_id, TG_ARGV[0], NEW.id, coalesce(max(number), 0) + 1, to_jsonb(NEW), at
        FROM loyalty_ruleversion WHERE "of" = TG_ARGV[0] AND object_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION loyalty_versions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' AND current_setting('postpurchase.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Versions of earning rules are never changed or deleted.' USING ERRCODE = 'restrict_violation';
END $$;

-- Depth 0 is a statement of a client; a version is ended inside the trigger above.
CREATE TRIGGER versions_stay BEFORE UPDATE OR DELETE ON loyalty_ruleversion
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION loyalty_versions_stay();
CREATE TRIGGER versions_stay_all BEFORE TRUNCATE ON loyalty_ruleversion
    FOR EACH STATEMENT EXECUTE FUNCTION loyalty_versions_stay();
"""
EACH = """
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE OR DELETE ON loyalty_{table}
    FOR EACH ROW EXECUTE FUNCTION loyalty_keep_version('{of}');
-- What there is has its first version from now on.
INSERT INTO loyalty_ruleversion (store_id, "of", object_id, number, content, valid_from)
SELECT store_id, '{of}', id, 1, to_jsonb(kept), clock_timestamp() FROM loyalty_{table} AS kept;
"""
BACK = """
DROP TRIGGER versions_stay_all ON loyalty_ruleversion;
DROP TRIGGER versions_stay ON loyalty_ruleversion;
DROP FUNCTION loyalty_versions_stay();
DROP FUNCTION loyalty_keep_version();
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0003_earning_rules")]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        *(
            migrations.RunSQL(
                EACH.format(of=of, table=table),
                f"DROP TRIGGER keep_version ON loyalty_{table};",
            )
            for of, table in TABLES.items()
        ),
    ]
