"""Notes on orders, written by the shop, its staff, or other programs."""

from .state import Refused, State


class Notes(State):
    def order(self, order_id: int) -> dict:
        try:
            return self.rows["orders"][int(order_id)]
        except KeyError:
            raise Refused("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404) from None

    def notes(self, order_id: int) -> list[dict]:
        return [note for note in self.rows["notes"].values() if note["order_id"] == order_id]

    def add_note(self, order_id: int, text: str, to_customer: bool = False, author: str = "WooCommerce") -> dict:
        """A note never bumps the order's `date_modified` and fires no webhook."""
        with self.lock:
            self.order(order_id)
            return self._write_note(order_id, text, self.at(), to_customer, author)

    def _write_note(
        self, order_id: int, text: str, at: str, to_customer: bool = False, author: str = "WooCommerce"
    ) -> dict:
        note = {"id": self.number("comment"), "order_id": order_id, "author": author, "date_created_gmt": at}
        return self.keep("notes", note | {"note": text, "customer_note": to_customer})
