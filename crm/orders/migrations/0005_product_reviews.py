import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0004_order_notes'),
        ('stores', '0002_store_logo'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProductReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('woo_id', models.BigIntegerField(verbose_name='number in the shop')),
                ('date_created_gmt', models.DateTimeField(null=True, verbose_name='created in the shop')),
                ('date_modified_gmt', models.DateTimeField(null=True, verbose_name='changed in the shop')),
                ('meta_data', models.JSONField(default=list, verbose_name='meta data')),
                ('synced_at', models.DateTimeField(null=True, verbose_name='synced at')),
                ('deleted_at', models.DateTimeField(blank=True, null=True, verbose_name='deleted at')),
                ('digest', models.CharField(blank=True, max_length=32)),
                ('product_id_in_shop', models.BigIntegerField(default=0)),
                ('status', models.CharField(max_length=30, verbose_name='status')),
                ('reviewer', models.CharField(blank=True, max_length=250, verbose_name='name')),
                ('reviewer_email', models.CharField(blank=True, max_length=320, verbose_name='e-mail')),
                ('review', models.TextField(blank=True, verbose_name='review')),
                ('rating', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(5)], verbose_name='stars')),
                ('verified', models.BooleanField(default=False, verbose_name='bought it')),
            ],
            options={
                'verbose_name': 'review in the shop',
                'verbose_name_plural': 'reviews in the shop',
            },
        ),
        migrations.AddField(
            model_name='productreview',
            name='customer',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='product_reviews', to='orders.customer', verbose_name='customer'),
        ),
        migrations.AddField(
            model_name='productreview',
            name='product',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reviews', to='orders.product', verbose_name='product'),
        ),
        migrations.AddField(
            model_name='productreview',
            name='store',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stores.store', verbose_name='store'),
        ),
        migrations.AddIndex(
            model_name='productreview',
            index=models.Index(fields=['store', '-date_created_gmt', '-id'], name='product_review_newest'),
        ),
        migrations.AddIndex(
            model_name='productreview',
            index=models.Index(fields=['store', 'reviewer_email'], name='product_review_by_email'),
        ),
        migrations.AddConstraint(
            model_name='productreview',
            constraint=models.UniqueConstraint(fields=('store', 'woo_id'), name='product_review_once_per_store'),
        ),
        migrations.AddConstraint(
            model_name='productreview',
            constraint=models.CheckConstraint(condition=models.Q(('rating__lte', 5)), name='product_review_at_most_five_stars'),
        ),
    ]
