"""Money in an order: lines, coupons, taxes and totals. Amounts are whole cents inside and strings in the rows."""

import json
from collections.abc import Callable

# Of one priority only the most specific rate applies, so IGST meets only states other than the shop's own.
TAX_RATES: list[dict] = [
    {"id": 1, "country": "IN", "state": "MH", "rate": 9, "name": "CGST", "priority": 1, "class": "standard"},
    {"id": 2, "country": "IN", "state": "MH", "rate": 9, "name": "SGST", "priority": 2, "class": "standard"},
    {"id": 3, "country": "IN", "state": "", "rate": 18, "name": "IGST", "priority": 1, "class": "standard"},
    {"id": 4, "country": "IN", "state": "", "rate": 5, "name": "GST 5%", "priority": 1, "class": "reduced-rate"},
    {"id": 5, "country": "DE", "state": "", "rate": 19, "name": "MwSt.", "priority": 1, "class": "standard"},
    {"id": 6, "country": "DE", "state": "", "rate": 7, "name": "MwSt. 7%", "priority": 1, "class": "reduced-rate"},
    {"id": 7, "country": "GB", "state": "", "rate": 20, "name": "VAT", "priority": 1, "class": "standard"},
]
HOME = {"country": "IN", "state": "MH"}  # an order without a country is taxed as sold over the counter


def cents(amount) -> int:
    """Cents of "12.5", 12.5, 12 or ""; raises ValueError for what is no amount."""
    if amount in ("", None):
        return 0
    return round_half_up(float(amount) * 100)


def round_half_up(value: float) -> int:
    # A hair is added because 12.305 * 100 is 1230.4999… in binary, and WooCommerce rounds the decimal.
    return int(value + 0.5 + 1e-7) if value >= 0 else -int(-value + 0.5 + 1e-7)


def money(amount: int) -> str:
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def unpadded(amount: int) -> str:
    """Product prices and coupon discounts come without trailing zeros: "79", "99.5"."""
    return money(amount).rstrip("0").rstrip(".") or "0"


def number(amount: float):
    return int(amount) if amount == int(amount) else amount


def rates_for(address: dict, tax_class: str) -> list[dict]:
    best: dict[int, dict] = {}
    for rate in TAX_RATES:
        if rate["class"] != (tax_class or "standard") or rate["country"] != address["country"]:
            continue
        if rate["state"] not in ("", address["state"]):
            continue
        if rate["priority"] not in best or rate["state"]:
            best[rate["priority"]] = rate
    return list(best.values())


def line_item(new_id: Callable[[], int], product: dict, variation: dict | None, quantity: int) -> dict:
    sold = variation or product
    subtotal = cents(sold["price"]) * quantity
    picture = product["images"][0] if product["images"] else None
    return {
        "id": new_id(),
        "name": product["name"],
        "product_id": product["id"],
        "variation_id": variation["id"] if variation else 0,
        "quantity": quantity,
        "tax_class": product["tax_class"],
        "subtotal": money(subtotal),
        "subtotal_tax": "0.00",
        "total": money(subtotal),
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        "sku": sold["sku"],
        "price": number(subtotal / quantity / 100) if quantity else 0,
        # WooCommerce answers three types here: the picture's id as text, 0 for a variation without one, "" for none.
        "image": {"id": str(picture["id"]), "src": picture["src"]}
        if picture
        else {"id": 0 if variation else "", "src": ""},
        "parent_name": product["name"] if variation else None,
    }


def apply_coupon(order: dict, coupon: dict, new_id: Callable[[], int], new_meta: Callable[[], int]) -> None:
    goods, limit = set(coupon["product_ids"]), coupon["limit_usage_to_x_items"]
    lines = [line for line in order["line_items"] if not goods or goods & {line["product_id"], line["variation_id"]}]
    before = sum(cents(line["total"]) for line in lines)
    if coupon["discount_type"] == "percent":
        cut = []
        for line in lines:
            items = line["quantity"] if limit is None else min(line["quantity"], limit)
            share = items / line["quantity"] if line["quantity"] else 0
            cut.append(round_half_up(cents(line["total"]) * share * float(coupon["amount"]) / 100))
            limit = None if limit is None else limit - items
    else:
        whole = min(cents(coupon["amount"]), before)
        cut = [whole * cents(line["total"]) // before if before else 0 for line in lines]
        if cut:
            cut[-1] += whole - sum(cut)
    for line, part in zip(lines, cut, strict=True):
        line["total"] = money(cents(line["total"]) - part)
        line["price"] = number(round(cents(line["total"]) / line["quantity"] / 100, 6)) if line["quantity"] else 0
    amount = number(float(coupon["amount"]))
    told = json.dumps([coupon["id"], coupon["code"], coupon["discount_type"], amount], separators=(",", ":"))
    order["coupon_lines"].append(
        {
            "id": new_id(),
            "code": coupon["code"],
            "discount": unpadded(sum(cut)),
            "discount_tax": "0",
            "meta_data": [
                {
                    "id": new_meta(),
                    "key": "coupon_info",
                    "value": told,
                    "display_key": "coupon_info",
                    "display_value": told,
                }
            ],
            "discount_type": coupon["discount_type"],
            "nominal_amount": amount,
            "free_shipping": coupon["free_shipping"],
        }
    )


def calculate(order: dict, new_id: Callable[[], int]) -> None:
    """Work out taxes and totals anew from the lines' subtotals and totals, as WooCommerce does on saving."""
    address = next((order[kind] for kind in ("shipping", "billing") if order[kind]["country"]), HOME)
    cart_tax: dict[int, int] = {}
    shipping_tax: dict[int, int] = {}
    rates = {}

    def tax(
        total: int, tax_class: str, sums: dict[int, int], subtotal: int | None = None
    ) -> tuple[list[dict], int, int]:
        parts, whole, whole_before = [], 0, 0
        for rate in rates_for(address, tax_class):
            rates[rate["id"]] = rate
            part = round_half_up(total * rate["rate"] / 100)
            before = round_half_up((subtotal or 0) * rate["rate"] / 100)
            parts.append(
                {"id": rate["id"], "total": money(part), "subtotal": "" if subtotal is None else money(before)}
            )
            sums[rate["id"]] = sums.get(rate["id"], 0) + part
            whole, whole_before = whole + part, whole_before + before
        return parts, whole, whole_before

    lines_total = lines_subtotal = tax_after = tax_before = fees = freight = freight_tax = fee_tax = 0
    for line in order["line_items"]:
        total, subtotal = cents(line["total"]), cents(line["subtotal"])
        line["taxes"], part, before = tax(total, line["tax_class"], cart_tax, subtotal)
        line["total_tax"], line["subtotal_tax"] = money(part), money(before)
        lines_total, lines_subtotal = lines_total + total, lines_subtotal + subtotal
        tax_after, tax_before = tax_after + part, tax_before + before
    for fee in order["fee_lines"]:
        fee["taxes"], part, _ = tax(cents(fee["total"]), fee["tax_class"], cart_tax)
        fee["total_tax"] = money(part)
        fees, fee_tax = fees + cents(fee["total"]), fee_tax + part
    for parcel in order["shipping_lines"]:
        parcel["taxes"], part, _ = tax(cents(parcel["total"]), "", shipping_tax)
        parcel["total_tax"] = money(part)
        freight, freight_tax = freight + cents(parcel["total"]), freight_tax + part

    held = {line["rate_id"]: line["id"] for line in order["tax_lines"]}
    order["tax_lines"] = [
        tax_line(held.get(rate_id) or new_id(), rate, cart_tax.get(rate_id, 0), shipping_tax.get(rate_id, 0))
        for rate_id, rate in sorted(rates.items())
    ]
    discount_tax = tax_before - tax_after
    for coupon in order["coupon_lines"][:1]:
        coupon["discount_tax"] = unpadded(discount_tax)
    total_tax = tax_after + fee_tax + freight_tax
    order.update(
        discount_total=money(lines_subtotal - lines_total),
        discount_tax=money(discount_tax),
        shipping_total=money(freight),
        shipping_tax=money(freight_tax),
        cart_tax=money(tax_after + fee_tax),
        total_tax=money(total_tax),
        total=money(lines_total + fees + freight + total_tax),
    )


def tax_line(line_id: int, rate: dict, cart: int, shipping: int) -> dict:
    code = "-".join(filter(None, [rate["country"], rate["state"], rate["name"].upper(), str(rate["priority"])]))
    return {
        "id": line_id,
        "rate_code": code,
        "rate_id": rate["id"],
        "label": rate["name"],
        "compound": False,
        "tax_total": money(cart),
        "shipping_tax_total": money(shipping),
        "rate_percent": rate["rate"],
        "meta_data": [],
    }
