from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0038_links_to_join'),
    ]

    operations = [
        migrations.AlterField(
            model_name='reward',
            name='returns_refunded',
            field=models.BooleanField(default=True, help_text='As much of them as of what the code took off is refunded, and all with the whole order. A cancelled order frees the code itself.', verbose_name='points come back when the order is refunded'),
        ),
    ]
