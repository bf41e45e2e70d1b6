"""Store credit has a page of its own, and a limit of its own for who gives it."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0020_store_credit'),
    ]

    operations = [
        migrations.CreateModel(
            name='CreditAccount',
            fields=[
            ],
            options={
                'verbose_name': 'store credit',
                'verbose_name_plural': 'store credit',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('loyalty.account',),
        ),
        migrations.AddField(
            model_name='program',
            name='credit_limit',
            field=models.DecimalField(blank=True, decimal_places=4, help_text="In the store's currency. Beyond this another owner has to approve. Empty: no limit.", max_digits=16, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='store credit one person may give or take in a day'),
        ),
    ]
