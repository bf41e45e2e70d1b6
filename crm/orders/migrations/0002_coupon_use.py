import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='coupon',
            name='used_by',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=320), default=list, size=None, verbose_name='used by'),
        ),
        migrations.AddField(
            model_name='order',
            name='coupon_codes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, size=None, verbose_name='coupon codes'),
        ),
        migrations.RunSQL(
            """
            UPDATE orders_order SET coupon_codes = ARRAY(
                SELECT DISTINCT lower(left(line->>'code', 200)) AS code FROM jsonb_array_elements(coupon_lines) AS line
                WHERE line->>'code' <> '' ORDER BY code
            )
            WHERE jsonb_typeof(coupon_lines) = 'array' AND coupon_lines <> '[]'
            """,
            migrations.RunSQL.noop,
        ),
    ]
