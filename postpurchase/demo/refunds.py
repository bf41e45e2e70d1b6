"""Refunds: rows of their own with negative lines; the order's total stays gross."""

from datetime import datetime

from .orders import Orders
from .pricing import TAX_RATES as RATES
from .pricing import cents, money, number, tax_line
from .state import Refused, stamp

# Gateways that can give money back by themselves.
PAY_BACK = ("stripe", "razorpay")
RATE = {rate["id"]: rate for rate in RATES}


class Refunds(Orders):
    def refundable(self, order: dict) -> int:
        """Cents of the order not yet refunded."""
        return cents(order["total"]) + sum(cents(refund["total"]) for refund in order["refunds"])

    def refund(
        self,
        order_id: int,
        *,
        lines: dict[int, int] | None = None,
        amount: str | None = None,
        reason: str = "",
        restock: bool = True,
        at: datetime | None = None,
    ) -> dict:
        """Refund quantities of lines ({line id: quantity}), or an amount, or all that is left."""
        with self.lock:
            order = self.order(order_id)
            if lines is None and amount is None:
                amount = money(self.refundable(order))
                if not order["refunds"]:
                    lines = {line["id"]: line["quantity"] for line in order["line_items"]}
            wanted = lines or {}
            given = [share_of(line, wanted[line["id"]]) for line in order["line_items"] if line["id"] in wanted]
            return self.create_refund(
                order_id, amount=amount, reason=reason, line_items=given, api_restock=restock, at=at
            )

    def create_refund(
        self,
        order_id: int,
        *,
        amount: str | None = None,
        reason: str = "",
        line_items: list[dict] | None = None,
        api_refund: bool = False,
        api_restock: bool = True,
        meta_data: list[dict] | None = None,
        at: datetime | None = None,
    ) -> dict:
        """Write a refund as `POST /orders/<id>/refunds` does; `api_refund` has the gateway pay it back."""
        with self.lock:
            order = self.order(order_id)
            items = [item for item in line_items or [] if item.get("id")]
            asked = sum(
                cents(i.get("refund_total")) + sum(cents(t["refund_total"]) for t in i.get("refund_tax") or [])
                for i in items
            )
            wanted = cents(amount) if amount not in (None, "") else asked
            if wanted < 0:
                raise Refused("woocommerce_rest_invalid_order_refund", "Refund amount must be greater than zero.", 400)
            if wanted > self.refundable(order):
                # WooCommerce's own oddity: a client's mistake is a 500, and `data` is a bare number.
                raise Refused("woocommerce_rest_cannot_create_order_refund", "Invalid refund amount.", 500, bare=True)
            if api_refund and order["payment_method"] not in PAY_BACK:
                message = "The payment gateway for this order does not support automatic refunds."
                raise Refused("woocommerce_rest_cannot_create_order_refund", message, 500, bare=True)
            refund = {
                "id": self.number("post"),
                "parent_id": order["id"],
                "date_created_gmt": stamp(at) if at else self.at(),
                "amount": money(wanted),
                "reason": reason or "",
                "refunded_by": 1,
                "refunded_payment": api_refund,
                "meta_data": [],
                "line_items": [],
                "shipping_lines": [],
                "tax_lines": [],
                "fee_lines": [],
            }
            self.set_meta(refund, meta_data or [])
            taxes: dict[int, int] = {}
            for item in items:
                line = next((line for line in order["line_items"] if line["id"] == item["id"]), None)
                if line is None:
                    continue
                refund["line_items"].append(self._refund_line(line, item, taxes))
                if api_restock:
                    self._put_back(line, int(item.get("quantity") or 0), refund["date_created_gmt"])
            refund["tax_lines"] = [tax_line(self.number("item"), RATE[rate], -tax, 0) for rate, tax in taxes.items()]
            self.keep("refunds", refund)
            order["refunds"].insert(
                0, {"id": refund["id"], "reason": refund["reason"], "total": "-" + refund["amount"]}
            )
            if self.refundable(order) == 0 and order["status"] != "refunded":
                self._enter(order, "refunded", refund["date_created_gmt"])
            self._saved(order, at)
            return refund

    def _refund_line(self, line: dict, item: dict, taxes: dict[int, int]) -> dict:
        total, quantity = cents(item.get("refund_total")), int(item.get("quantity") or 0)
        parts = [(int(tax["id"]), cents(tax["refund_total"])) for tax in item.get("refund_tax") or []]
        tax_total = sum(part for _, part in parts)
        for rate, part in parts:
            taxes[rate] = taxes.get(rate, 0) + part
        told = {"key": "_refunded_item_id", "value": str(line["id"])}
        return line | {
            "id": self.number("item"),
            "quantity": -quantity,
            "subtotal": money(-total),
            "subtotal_tax": money(-tax_total),
            "total": money(-total),
            "total_tax": money(-tax_total),
            "taxes": [{"id": rate, "total": money(-part), "subtotal": money(-part)} for rate, part in parts],
            "meta_data": [
                {"id": self.number("meta"), **told, "display_key": told["key"], "display_value": told["value"]}
            ],
            "price": number(round(total / quantity / 100, 6)) if quantity else line["price"],
        }

    def _put_back(self, line: dict, quantity: int, at: str) -> None:
        product = self.rows["products"].get(line["product_id"])
        reduced = next((m for m in line["meta_data"] if m["key"] == "_reduced_stock"), None)
        if not product or not reduced or not quantity:
            return
        product["stock_quantity"] += quantity
        reduced["value"] = reduced["display_value"] = str(int(reduced["value"]) - quantity)
        count = str(quantity)
        key = "_restock_refunded_items"
        line["meta_data"].append(
            {"id": self.number("meta"), "key": key, "value": count, "display_key": key, "display_value": count}
        )
        self.stock_moved(product, at)

    def delete_refund(self, refund_id: int) -> None:
        """Neither bumps the order's `date_modified` nor fires a webhook: only reading the order again shows it."""
        with self.lock:
            refund = self.rows["refunds"][refund_id]
            order = self.order(refund["parent_id"])
            order["refunds"] = [row for row in order["refunds"] if row["id"] != refund_id]
            self.drop("refunds", refund_id)
            self.keep("orders", order)


def share_of(line: dict, quantity: int) -> dict:
    """What a refund of `quantity` pieces of a line is worth, as the REST API wants it."""

    def part(amount) -> str:
        return money(cents(amount) * quantity // line["quantity"])

    taxes = [{"id": tax["id"], "refund_total": part(tax["total"])} for tax in line["taxes"]]
    return {"id": line["id"], "quantity": quantity, "refund_total": part(line["total"]), "refund_tax": taxes}
