"""Store credit becomes a code without a reward, and a code that is being taken back may have given back a part before."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0022_one_posting'),
        ('orders', '0008_what_polls_wait_for'),
        ('stores', '0006_api_key_issued_to'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='redemption',
            name='redemption_gives_back_or_not',
        ),
        migrations.AlterField(
            model_name='redemption',
            name='reward',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='redemptions', to='loyalty.reward', verbose_name='reward'),
        ),
        migrations.AddConstraint(
            model_name='redemption',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['used', 'returning']), models.Q(('returned__isnull', False), ('state__in', ['failed', 'returned'])), models.Q(models.Q(('state__in', ['failed', 'returned']), _negated=True), ('returned', None)), _connector='OR'), name='redemption_gives_back_or_not'),
        ),
    ]
