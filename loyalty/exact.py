import json
from decimal import Decimal


class ExactDecoder(json.JSONDecoder):
    """JSON whose numbers come back with the very digits they have."""

    def __init__(self, **options):
        super().__init__(**options | {"parse_float": Decimal})
