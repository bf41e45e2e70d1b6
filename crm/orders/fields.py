from django.db import models


class MoneyField(models.DecimalField):
    """An amount as the shop wrote it: `numeric` without a scale of its own, so that 79 stays 79 and 185.90 keeps its 0."""

    def __init__(self, *args, **kwargs):
        kwargs |= {"max_digits": 30, "decimal_places": 10}
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_digits")
        kwargs.pop("decimal_places")
        return name, path, args, kwargs

    def db_type(self, connection):
        return "numeric"

    def get_db_prep_value(self, value, connection, prepared=False):
        # DecimalField would pad to its scale.
        return self.to_python(value)
