import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0003_index_coupon_use'),
        ('stores', '0002_store_logo'),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('woo_id', models.BigIntegerField(verbose_name='number in the shop')),
                ('author', models.CharField(blank=True, max_length=250, verbose_name='author')),
                ('note', models.TextField(verbose_name='note')),
                ('customer_note', models.BooleanField(default=False, verbose_name='for the customer')),
                ('date_created_gmt', models.DateTimeField(null=True, verbose_name='written')),
            ],
            options={
                'verbose_name': 'order note',
                'verbose_name_plural': 'order notes',
            },
        ),
        migrations.AddField(
            model_name='ordernote',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='orders.order', verbose_name='order'),
        ),
        migrations.AddField(
            model_name='ordernote',
            name='store',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stores.store', verbose_name='store'),
        ),
        migrations.AddConstraint(
            model_name='ordernote',
            constraint=models.UniqueConstraint(fields=('store', 'woo_id'), name='order_note_once_per_store'),
        ),
    ]
