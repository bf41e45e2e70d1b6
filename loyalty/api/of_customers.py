"""What requests about a customer's points have in common: naming the customer, and filtering by one."""

import django_filters as filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from crm.orders.models import Customer
from crm.rest.filters import EmailFilter


class ForCustomerSerializer(serializers.Serializer):
    """A request for one customer of the key's store."""

    customer = serializers.IntegerField(help_text=_("The customer's `id`"))

    def validate_customer(self, pk):
        customers = Customer.objects.for_store(self.context["request"].auth.store).current()
        customer = customers.filter(pk=pk).first()
        if customer is None:
            raise serializers.ValidationError(_("There is no such customer."))
        return customer


class OfAccountFilter(filters.FilterSet):
    """For rows with an `account`."""

    account = filters.NumberFilter("account_id")
    customer = filters.NumberFilter("account__customer_id")
    customer_woo_id = filters.NumberFilter("account__customer__woo_id")
    email = EmailFilter("account__customer__email")
