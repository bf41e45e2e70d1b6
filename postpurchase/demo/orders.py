"""The life of an order: placed, paid, shipped, completed, cancelled, trashed. Refunds are in `refunds.py`."""

import hashlib
from datetime import datetime

from . import pricing
from .catalogue import Catalogue
from .customers import Customers, address
from .notes import Notes
from .pricing import cents, money
from .state import Refused, stamp

STATUSES = {
    "pending": "Pending payment",
    "processing": "Processing",
    "on-hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "failed": "Failed",
    "checkout-draft": "Draft",
    "packed": "Packed",  # a status that a plug-in registered: shops have them, so the product must take them
}
PAYMENTS = {
    "cod": "Cash on delivery",
    "razorpay": "UPI, card or net banking",
    "stripe": "Credit card (Stripe)",
    "bacs": "Direct bank transfer",
    "": "",
}
PLAIN_FIELDS = [
    "customer_note",
    "payment_method",
    "payment_method_title",
    "transaction_id",
    "currency",
    "parent_id",
    "customer_id",
]
TRACKING = "_wc_shipment_tracking_items"


class Orders(Notes, Catalogue, Customers):
    def _digest(self, *parts) -> str:
        return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()

    def blank_order(self, at: str, created_via: str) -> dict:
        order_id = self.number("post")
        zero = dict.fromkeys(
            ["discount_total", "discount_tax", "shipping_total", "shipping_tax", "cart_tax", "total", "total_tax"],
            "0.00",
        )
        return {
            "id": order_id,
            "parent_id": 0,
            "status": "pending",
            "currency": self.currency,
            "version": "10.0.2",
            "prices_include_tax": False,
            "date_created_gmt": at,
            "date_modified_gmt": at,
            **zero,
            "customer_id": 0,
            "order_key": "wc_order_" + self._digest(order_id, at)[:13],
            "billing": address(None),
            "shipping": address(None, email=False),
            "payment_method": "",
            "payment_method_title": "",
            "transaction_id": "",
            "customer_ip_address": "",
            "customer_user_agent": "",
            "created_via": created_via,
            "customer_note": "",
            "date_completed_gmt": None,
            "date_paid_gmt": None,
            "cart_hash": "",
            "meta_data": [],
            "line_items": [],
            "tax_lines": [],
            "shipping_lines": [],
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [],
        }

    def place_order(
        self,
        *,
        email: str = "",
        lines: list[tuple] | None = None,
        customer_id: int | None = None,
        name: str = "",
        billing: dict | None = None,
        shipping: dict | None = None,
        status: str = "pending",
        payment_method: str = "razorpay",
        coupon: str = "",
        gift_wrap: bool = False,
        freight: str = "80.00",
        created_via: str = "checkout",
        note: str = "",
        meta: dict | None = None,
        guest: bool = False,
        at: datetime | None = None,
    ) -> dict:
        """A new order; answers its row.

        `lines` are (product id, quantity) or (product id, variation id, quantity); none given buys one of the first
        product. A known e-mail buys as that customer unless `guest`.
        """
        with self.lock:
            customer = self.rows["customers"].get(customer_id) if customer_id else None
            if customer is None and email and not guest:
                customer = self.customer_by_email(email)
            order = self.blank_order(stamp(at) if at else self.at(), created_via)
            first, _, last = name.partition(" ")
            who = {**(customer["billing"] if customer else {}), **(billing or {})}
            if name:
                who |= {"first_name": first, "last_name": last}
            who["email"] = email or who.get("email") or (customer["email"] if customer else "")
            order.update(
                customer_id=customer["id"] if customer else 0,
                billing=address(who),
                shipping=address(shipping if shipping is not None else who, email=False),
                payment_method=payment_method,
                payment_method_title=PAYMENTS.get(payment_method, payment_method),
                customer_ip_address=f"203.0.113.{order['id'] % 250 + 1}",
                customer_user_agent="Mozilla/5.0 (Linux; Android 14) Mobile",
                customer_note=note,
                meta_data=self.meta(meta),
            )
            if lines is None:
                lines = [(self.first_product()["id"], 1)]
            for product_id, *rest in lines:
                variation_id, quantity = rest if len(rest) == 2 else (0, rest[0])
                self._add_line(order, product_id, variation_id, quantity)
            if gift_wrap:
                self._add_fee(order, {"name": "Gift wrap 🎁", "total": "25.50"})
            if cents(freight):
                self._add_freight(
                    order, {"method_id": "flat_rate", "method_title": "Flat rate", "instance_id": "1", "total": freight}
                )
            if coupon:
                self._use_coupon(order, coupon)
            pricing.calculate(order, lambda: self.number("item"))
            self._enter(order, status, order["date_created_gmt"])
            self.keep("orders", order)
            self.tell("order.created", order["id"])
            if status != "checkout-draft":
                self.tell("order.updated", order["id"])
            return order

    def _add_line(self, order: dict, product_id: int, variation_id: int, quantity: int) -> dict:
        product = self.product(product_id)
        variation = self.rows["variations"].get(variation_id)
        line = pricing.line_item(lambda: self.number("item"), product, variation, quantity)
        for attribute in variation["attributes"] if variation else []:
            line["meta_data"].append(
                {
                    "id": self.number("meta"),
                    "key": attribute["slug"],
                    "value": attribute["option"],
                    "display_key": attribute["name"],
                    "display_value": attribute["option"],
                }
            )
        order["line_items"].append(line)
        return line

    def _add_fee(self, order: dict, given: dict) -> None:
        total = money(cents(given.get("total") or given.get("amount") or 0))
        fee = {"id": self.number("item"), "name": given.get("name") or "Fee", "tax_class": "", "tax_status": "taxable"}
        order["fee_lines"].append(
            fee | {"amount": total, "total": total, "total_tax": "0.00", "taxes": [], "meta_data": []}
        )

    def _add_freight(self, order: dict, given: dict) -> None:
        order["shipping_lines"].append(
            {
                "id": self.number("item"),
                "method_title": given.get("method_title") or "",
                "method_id": given.get("method_id") or "",
                "instance_id": str(given.get("instance_id") or ""),
                "total": money(cents(given.get("total") or 0)),
                "total_tax": "0.00",
                "taxes": [],
                "tax_status": "taxable",
                "meta_data": [],
            }
        )

    def _use_coupon(self, order: dict, code: str) -> None:
        coupon = self.coupon_by_code(code)
        if coupon is None:
            raise Refused("woocommerce_rest_invalid_coupon", f'Coupon "{code}" does not exist!', 400)
        pricing.apply_coupon(order, coupon, lambda: self.number("item"), lambda: self.number("meta"))
        buyer = str(order["customer_id"]) if order["customer_id"] else order["billing"]["email"]
        coupon["usage_count"] += 1
        coupon["used_by"].append(buyer)
        self.keep("coupons", coupon)

    def _enter(self, order: dict, status: str, at: str) -> None:
        """Change an order's status with what WooCommerce does along with it."""
        was = order["status"]
        order["status"] = status
        if status in ("processing", "completed") and order["line_items"]:
            order["date_paid_gmt"] = order["date_paid_gmt"] or at
            self.has_paid(order["customer_id"], at)
        if status == "completed":
            order["date_completed_gmt"] = at
        if status in ("processing", "completed", "on-hold"):
            self._take_from_stock(order, at)
        if was != status and was != "checkout-draft":
            said = f"Order status changed from {STATUSES.get(was, was)} to {STATUSES.get(status, status)}."
            self._write_note(order["id"], said, at)

    def _take_from_stock(self, order: dict, at: str) -> None:
        for line in order["line_items"]:
            product = self.rows["products"].get(line["product_id"])
            if (
                not product
                or not product["manage_stock"]
                or any(m["key"] == "_reduced_stock" for m in line["meta_data"])
            ):
                continue
            product["stock_quantity"] -= line["quantity"]
            count = str(line["quantity"])
            line["meta_data"].append(
                {
                    "id": self.number("meta"),
                    "key": "_reduced_stock",
                    "value": count,
                    "display_key": "_reduced_stock",
                    "display_value": count,
                }
            )
            self.stock_moved(product, at)

    def stock_moved(self, product: dict, at: str) -> None:
        """WooCommerce saves the product whose stock moves, which gives it a new date."""
        product["date_modified_gmt"] = max(product["date_modified_gmt"], at)
        self.keep("products", product)
        self.tell("product.updated", product["id"])

    def _saved(self, order: dict, at: datetime | None = None, quiet: bool = False) -> dict:
        order["date_modified_gmt"] = stamp(at) if at else self.at()
        self.keep("orders", order)
        if not quiet:
            self.tell("order.updated", order["id"])
        return order

    def set_status(self, order_id: int, status: str, at: datetime | None = None) -> dict:
        with self.lock:
            order = self.order(order_id)
            was = order["status"]
            self._enter(order, status, stamp(at) if at else self.at())
            if was == "checkout-draft" and status != "checkout-draft":
                self.tell("order.created", order["id"])
            # WooCommerce restores a trashed order by a plain status without any delivery.
            return self._saved(order, at, quiet=was == "trash")

    def pay(self, order_id: int, at: datetime | None = None) -> dict:
        with self.lock:
            order = self.order(order_id)
            if order["payment_method"] in ("stripe", "razorpay") and not order["transaction_id"]:
                prefix = "ch_" if order["payment_method"] == "stripe" else "pay_"
                order["transaction_id"] = prefix + self._digest(order["id"], "paid")[:16]
            return self.set_status(order_id, "processing", at)

    def ship(self, order_id: int, parcels: list[dict] | None = None, at: datetime | None = None) -> dict:
        """Attach parcels as the Shipment Tracking plug-in does; each is {"carrier", "number"} and perhaps {"link"}."""
        with self.lock:
            order = self.order(order_id)
            moment = at or self.now()
            held = next((m for m in order["meta_data"] if m["key"] == TRACKING), None)
            items = list(held["value"]) if held else []
            for place, parcel in enumerate(parcels or [{"carrier": "bluedart", "number": f"BD{order['id']:09d}IN"}]):
                known = parcel["carrier"] in ("dhl", "bluedart", "fedex", "ups", "usps", "dhl-de", "royal-mail")
                items.append(
                    {
                        "tracking_provider": parcel["carrier"] if known else "",
                        "custom_tracking_provider": "" if known else parcel["carrier"],
                        "custom_tracking_link": parcel.get("link", ""),
                        "tracking_number": parcel["number"],
                        "tracking_product_code": "",
                        "date_shipped": str(int(moment.timestamp())),
                        "tracking_id": self._digest(order["id"], len(items), place, parcel["number"])[:32],
                    }
                )
            self.set_meta(order, [{"key": TRACKING, "value": items}])
            numbers = ", ".join(item["tracking_number"] for item in items)
            self._write_note(order["id"], f"Your order is on its way: {numbers}", stamp(moment), to_customer=True)
            return self._saved(order, at)

    def complete(self, order_id: int, at: datetime | None = None) -> dict:
        return self.set_status(order_id, "completed", at)

    def cancel(self, order_id: int, at: datetime | None = None) -> dict:
        return self.set_status(order_id, "cancelled", at)

    def update_order(self, order_id: int, **fields) -> dict:
        """Write an order as `PUT /orders/<id>` does; even no field at all bumps `date_modified`."""
        with self.lock:
            order = self.order(order_id)
            for key in PLAIN_FIELDS:
                if fields.get(key) is not None:
                    order[key] = fields[key]
            for key in ("billing", "shipping"):
                if fields.get(key):
                    merged = {**order[key], **{k: v for k, v in fields[key].items() if v is not None}}
                    order[key] = address(merged, email=key == "billing")
            if fields.get("meta_data"):
                self.set_meta(order, fields["meta_data"])
            if self._write_lines(order, fields):
                pricing.calculate(order, lambda: self.number("item"))
            status = fields.get("status") or order["status"]
            if fields.get("set_paid") and not order["date_paid_gmt"]:
                status = "completed" if order["payment_method"] == "cod" else "processing"
            if status == order["status"]:
                return self._saved(order)
            return self.set_status(order_id, status)

    def _write_lines(self, order: dict, fields: dict) -> bool:
        for given in fields.get("line_items") or []:
            line = next((line for line in order["line_items"] if line["id"] == given.get("id")), None)
            if line is None:
                line = self._add_line(
                    order, given.get("product_id", 0), given.get("variation_id", 0), int(given.get("quantity", 1))
                )
            elif given.get("quantity") == 0:
                order["line_items"].remove(line)
                continue
            for key in ("subtotal", "total"):
                if given.get(key) not in (None, ""):
                    line[key] = money(cents(given[key]))
            if line["quantity"]:
                line["price"] = pricing.number(round(cents(line["total"]) / line["quantity"] / 100, 6))
            line["name"] = given.get("name") or line["name"]
        for given in fields.get("shipping_lines") or []:
            self._add_freight(order, given)
        for given in fields.get("fee_lines") or []:
            self._add_fee(order, given)
        for given in fields.get("coupon_lines") or []:
            self._use_coupon(order, given.get("code", ""))
        return any(
            fields.get(key)
            for key in ("line_items", "shipping_lines", "fee_lines", "coupon_lines", "billing", "shipping")
        )

    def create_order(self, **fields) -> dict:
        """Write a new order as `POST /orders` does: what is not given stays empty."""
        with self.lock:
            order = self.blank_order(self.at(), "rest-api")
            order["created_via"] = fields.get("created_via") or "rest-api"
            self.keep("orders", order)
            told: list[tuple[str, int]] = []
            listeners, self.listeners = self.listeners, [lambda topic, row_id: told.append((topic, row_id))]
            try:
                self.update_order(order["id"], **fields)
            except BaseException:
                self.drop("orders", order["id"])
                raise
            finally:
                self.listeners = listeners
            for topic, row_id in [("order.created", order["id"]), *told]:
                self.tell(topic, row_id)
            return order

    def trash(self, order_id: int, at: datetime | None = None) -> dict:
        with self.lock:
            order = self.order(order_id)
            if order["status"] == "trash":
                raise Refused("woocommerce_rest_already_trashed", "The order has already been deleted.", 410)
            entries = [
                {"key": "_wp_trash_meta_status", "value": "wc-" + order["status"]},
                {"key": "_wp_trash_meta_time", "value": str(int((at or self.now()).timestamp()))},
            ]
            self.set_meta(order, entries)
            order["status"] = "trash"
            self._saved(order, at, quiet=True)
            self.tell("order.deleted", order["id"])
            return order

    def untrash(self, order_id: int) -> dict:
        held = {m["key"]: m["value"] for m in self.order(order_id)["meta_data"]}
        return self.set_status(order_id, held.get("_wp_trash_meta_status", "wc-pending").removeprefix("wc-"))

    def delete(self, order_id: int) -> None:
        """Remove an order for good. WooCommerce tells nobody."""
        with self.lock:
            self.order(order_id)
            for table, key in (("refunds", "parent_id"), ("notes", "order_id")):
                for row_id in [row["id"] for row in self.rows[table].values() if row[key] == order_id]:
                    self.drop(table, row_id)
            self.drop("orders", order_id)
