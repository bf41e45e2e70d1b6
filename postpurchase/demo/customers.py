"""Registered customers. Guests have none: they are only the billing address of their orders."""

import hashlib
import re
from datetime import datetime

from .state import Refused, State, stamp

ADDRESS = [
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
    "email",
    "phone",
]
# WordPress's own idea of an address: ASCII only, a dot in the domain.
EMAIL = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")


def is_email(text) -> bool:
    return isinstance(text, str) and bool(EMAIL.match(text))


def avatar(email: str, size: int = 96) -> str:
    digest = hashlib.sha256(email.strip().lower().encode()).hexdigest()
    return f"https://secure.gravatar.com/avatar/{digest}?s={size}&d=mm&r=g"


def address(given: dict | None, email: bool = True) -> dict:
    return {key: str((given or {}).get(key) or "") for key in ADDRESS if email or key != "email"}


class Customers(State):
    def customer(self, customer_id: int) -> dict:
        try:
            return self.rows["customers"][customer_id]
        except KeyError:
            raise Refused("wc_user_invalid_id", "Invalid user ID.", 404) from None

    def customer_by_email(self, email: str) -> dict | None:
        wanted = email.lower()
        return next((row for row in self.rows["customers"].values() if row["email"].lower() == wanted), None)

    def add_customer(
        self,
        *,
        email: str,
        first_name: str = "",
        last_name: str = "",
        billing: dict | None = None,
        shipping: dict | None = None,
        username: str = "",
        role: str = "customer",
        meta: dict | None = None,
        at: datetime | None = None,
        **_unknown,
    ) -> dict:
        with self.lock:
            if not is_email(email):
                raise Refused("customer_invalid_email", "Invalid email address", 400)
            if self.customer_by_email(email):
                message = (
                    f"An account is already registered with {email}. Please log in or use a different email address."
                )
                raise Refused("registration-error-email-exists", message, 400)
            created = stamp(at) if at else self.at()
            customer: dict = {
                "id": self.number("user"),
                "date_created_gmt": created,
                "date_modified_gmt": created if role == "customer" else None,
                "email": email,
                "first_name": first_name,
                "last_name": last_name,
                "role": role,
                "username": username or email.partition("@")[0],
                "is_paying_customer": False,
                "billing": address(billing),
                "shipping": address(shipping, email=False),
                "meta_data": self.meta(meta),
            }
            self.keep("customers", customer)
            self.tell("customer.created", customer["id"])
            self.tell("customer.updated", customer["id"])
            return customer

    def update_customer(self, customer_id: int, **fields) -> dict:
        with self.lock:
            customer = self.customer(customer_id)
            if fields.get("email") and fields["email"] != customer["email"]:
                if not is_email(fields["email"]):
                    raise Refused("woocommerce_rest_customer_invalid_email", "Email address is invalid.", 400)
                if self.customer_by_email(fields["email"]):
                    raise Refused("woocommerce_rest_customer_invalid_email", "Email address is invalid.", 400)
            for key in ("email", "first_name", "last_name"):
                if fields.get(key) is not None:
                    customer[key] = fields[key]
            for key in ("billing", "shipping"):
                if fields.get(key):
                    customer[key] = address({**customer[key], **fields[key]}, email=key == "billing")
            self.set_meta(customer, fields.get("meta_data") or [])
            customer["date_modified_gmt"] = self.at()
            self.keep("customers", customer)
            self.tell("customer.updated", customer_id)
            return customer

    def delete_customer(self, customer_id: int) -> None:
        """Their orders stay, become a guest's and count as modified."""
        with self.lock:
            self.customer(customer_id)
            for order in self.rows["orders"].values():
                if order["customer_id"] == customer_id:
                    order["customer_id"] = 0
                    order["date_modified_gmt"] = self.at()
                    self.keep("orders", order)
            self.drop("customers", customer_id)
            self.tell("customer.deleted", customer_id)

    def erase_person(self, email: str) -> None:
        """WordPress's eraser (Tools, Erase Personal Data): their orders stay and name nobody, the account loses its addresses."""
        with self.lock:
            account = self.customer_by_email(email)
            for order in list(self.rows["orders"].values()):
                if order["billing"]["email"].lower() == email.lower() or (
                    account and order["customer_id"] == account["id"]
                ):
                    self._anonymise(order)
            if account:
                account |= {"billing": address({}), "shipping": address({}, email=False)}
                account["date_modified_gmt"] = self.at()
                self.keep("customers", account)
                self.tell("customer.updated", account["id"])

    def _anonymise(self, order: dict) -> None:
        for name in ("billing", "shipping"):
            for key, value in order[name].items():
                if key == "email":
                    order[name][key] = value and "deleted@site.invalid"
                elif key in ("state", "country"):
                    order[name][key] = ""
                elif key == "phone":
                    order[name][key] = re.sub(r"\d", "0", value)
                else:
                    order[name][key] = value and "[deleted]"
        order |= {"customer_id": 0, "customer_ip_address": "0.0.0.0", "customer_user_agent": "[deleted]"}
        order["transaction_id"] = order.get("transaction_id") and "0"
        self.set_meta(order, [{"key": "_anonymized", "value": "yes"}])
        order["date_modified_gmt"] = self.at()
        self.keep("orders", order)
        for note in [row["id"] for row in self.rows["notes"].values() if row["order_id"] == order["id"]]:
            self.drop("notes", note)
        note = {"id": self.number("comment"), "order_id": order["id"], "author": "WooCommerce", "customer_note": False}
        self.keep("notes", note | {"date_created_gmt": self.at(), "note": "Personal data removed."})
        self.tell("order.updated", order["id"])

    def has_paid(self, customer_id: int, at: str) -> None:
        """WooCommerce remembers it with the customer: it stays true when the order is deleted later."""
        customer = self.rows["customers"].get(customer_id)
        if customer and not customer["is_paying_customer"]:
            customer |= {"is_paying_customer": True, "date_modified_gmt": at}
            self.keep("customers", customer)
