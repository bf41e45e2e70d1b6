"""Rules of entries and accounts as functions: PostgreSQL reads the text of a check anew for each statement, and that took a tenth of a posting."""

from django.conf import settings
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION loyalty_sign_is_of_kind(kind varchar, points bigint, pending bigint, shortfall bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE
        WHEN points = 0 AND pending = 0 AND shortfall = 0 THEN false
        WHEN kind = 'earn' THEN points >= 0 AND pending >= 0
        WHEN kind = 'reverse' THEN points <= 0 AND pending <= 0
        WHEN shortfall <> 0 THEN false
        WHEN kind = 'return' THEN points >= 0 AND pending >= 0
        WHEN kind IN ('redeem', 'expire') THEN points <= 0 AND pending <= 0
        WHEN kind = 'release' THEN points > 0
        ELSE kind = 'adjust'
    END;
END $$;

CREATE FUNCTION loyalty_spends_what_is_there(kind varchar, points bigint, balance_after bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN balance_after >= 0 OR points >= 0 OR kind IN ('reverse', 'adjust');
END $$;

-- Credit is money: nobody owes the shop any.
CREATE FUNCTION loyalty_is_points_or_money(unit varchar, balance bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN unit = 'points' OR unit ~ '^[A-Z0-9]{2,10}$' AND balance >= 0;
END $$;
"""
BACK = """
DROP FUNCTION loyalty_sign_is_of_kind(varchar, bigint, bigint, bigint);
DROP FUNCTION loyalty_spends_what_is_there(varchar, bigint, bigint);
DROP FUNCTION loyalty_is_points_or_money(varchar, bigint);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0031_gifts_by_mail'),
        ('orders', '0008_what_polls_wait_for'),
        ('stores', '0008_credit_scopes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.RemoveConstraint(
            model_name='account',
            name='account_of_points_or_money',
        ),
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='entry_spends_what_is_there',
        ),
        migrations.RemoveConstraint(
            model_name='ledgerentry',
            name='entry_sign_of_kind',
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Func('unit', 'balance', function='loyalty_is_points_or_money', output_field=models.BooleanField()), name='account_of_points_or_money'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Func('kind', 'points', 'pending', 'shortfall', function='loyalty_sign_is_of_kind', output_field=models.BooleanField()), name='entry_sign_of_kind'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Func('kind', 'points', 'balance_after', function='loyalty_spends_what_is_there', output_field=models.BooleanField()), name='entry_spends_what_is_there'),
        ),
    ]
