from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0011_tiers_referrals_expiry'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProgramLiability',
            fields=[
            ],
            options={
                'verbose_name': 'liability',
                'verbose_name_plural': 'liability',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('loyalty.program',),
        ),
    ]
