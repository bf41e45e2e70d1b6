"""An account of a currency is store credit, and never below zero."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0019_reward_kinds'),
        ('orders', '0007_fewer_indexes'),
        ('stores', '0006_api_key_issued_to'),
    ]

    operations = [
        migrations.AlterField(
            model_name='account',
            name='unit',
            field=models.CharField(default='points', editable=False, max_length=10, verbose_name='unit'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('unit', 'points'), models.Q(('balance__gte', 0), ('unit__regex', '^[A-Z]{3}$')), _connector='OR'), name='account_of_points_or_money'),
        ),
    ]
