"""What other apps offer to every mail: points, parcels, survey links. They stand above this one, so they call, not we."""

from collections.abc import Callable

from crm.orders.models import Customer, Order
from crm.stores.models import Store

Provider = Callable[[Store, Customer | None, Order | None], dict]
PROVIDERS: dict[str, Provider] = {}


def provide(name: str, function: Provider) -> None:
    """Have `function(store, customer, order)` fill the template variable `name` with its dict, for every mail.

    It is called at the moment of sending. `customer` and `order` may be None; an empty dict says there is nothing to show.
    """
    PROVIDERS[name] = function


def provided(store: Store, customer: Customer | None, order: Order | None) -> dict[str, dict]:
    return {name: function(store, customer, order) for name, function in PROVIDERS.items()}
