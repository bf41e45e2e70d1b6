"""What a shop says about itself: settings, currency, taxes, zones, reports and system status."""

from uuid import NAMESPACE_URL, uuid5

from .orders import STATUSES
from .params import listing
from .pricing import TAX_RATES, cents, money
from .render import SYMBOLS
from .rest import Call, Refused, Response, route
from .web import json_response

COUNTRIES = {
    "IN:MH": "India - Maharashtra",
    "IN:DL": "India - Delhi",
    "DE:DE-BE": "Germany - Berlin",
    "GB": "United Kingdom (UK)",
    "US:NY": "United States (US) - New York",
}
LANDS = {"DE": "Germany", "GB": "United Kingdom (UK)", "IN": "India", "US": "United States (US)"}
CURRENCIES = {"EUR": "Euro", "GBP": "Pound sterling", "INR": "Indian rupee", "USD": "United States (US) dollar"}
YES_NO = ("checkbox", None)
TEXT = ("text", None)
# id: (label, kind, choices, default, value); a value of None is the shop's own.
GENERAL: dict[str, tuple] = {
    "woocommerce_store_address": ("Address line 1", *TEXT, "", "12 Laxmi Road"),
    "woocommerce_store_address_2": ("Address line 2", *TEXT, "", ""),
    "woocommerce_store_city": ("City", *TEXT, "", "Pune"),
    "woocommerce_default_country": ("Country / State", "select", COUNTRIES, "US:CA", "IN:MH"),
    "woocommerce_store_postcode": ("Postcode / ZIP", *TEXT, "", "411030"),
    "woocommerce_allowed_countries": (
        "Selling location(s)",
        "select",
        {"all": "All countries", "specific": "Some"},
        "all",
        "all",
    ),
    "woocommerce_all_except_countries": ("All but", "multiselect", LANDS, "", ""),
    "woocommerce_specific_allowed_countries": ("Only", "multiselect", LANDS, "", ""),
    "woocommerce_ship_to_countries": (
        "Shipping location(s)",
        "select",
        {"": "Where it sells", "all": "Anywhere"},
        "",
        "",
    ),
    "woocommerce_specific_ship_to_countries": ("Ship only to", "multiselect", LANDS, "", ""),
    "woocommerce_default_customer_address": (
        "Default customer location",
        "select",
        {"": "None", "base": "The shop's"},
        "base",
        "base",
    ),
    "woocommerce_calc_taxes": ("Taxes", *YES_NO, "no", "yes"),
    "woocommerce_enable_coupons": ("Coupons", *YES_NO, "yes", "yes"),
    "woocommerce_calc_discounts_sequentially": ("One discount after another", *YES_NO, "no", "no"),
    "woocommerce_currency": ("Currency", "select", CURRENCIES, "USD", None),
    "woocommerce_currency_pos": ("Currency position", "select", {"left": "Left", "right": "Right"}, "left", "left"),
    "woocommerce_price_thousand_sep": ("Thousand separator", *TEXT, ",", ","),
    "woocommerce_price_decimal_sep": ("Decimal separator", *TEXT, ".", "."),
    "woocommerce_price_num_decimals": ("Number of decimals", "number", None, "2", "2"),
}
PRODUCTS: dict[str, tuple] = {
    "woocommerce_weight_unit": ("Weight unit", "select", {"kg": "kg", "g": "g"}, "kg", "kg"),
    "woocommerce_enable_reviews": ("Reviews", *YES_NO, "yes", "yes"),
}
OPTIONS = {"general": GENERAL, "products": PRODUCTS}
GROUPS = {
    "wc_admin": "WooCommerce Admin",
    "general": "General",
    "products": "Products",
    "tax": "Tax",
    "shipping": "Shipping",
    "checkout": "Payments",
    "account": "Accounts &amp; Privacy",
    "email": "Emails",
    "integration": "Integration",
    "advanced": "Advanced",
}
MAILS = ["email_new_order", "email_customer_processing_order", "email_customer_completed_order", "email_customer_note"]


def list_groups(call: Call) -> Response:
    groups = [(key, label, "", MAILS if key == "email" else []) for key, label in GROUPS.items()]
    groups += [(key, key.removeprefix("email_").replace("_", " ").capitalize(), "email", []) for key in MAILS]
    return json_response(
        [
            {
                "id": key,
                "label": label,
                "description": "",
                "parent_id": parent,
                "sub_groups": subs,
                "_links": {"options": call.render.link(f"settings/{key}")},
            }
            for key, label, parent, subs in groups
        ]
    )


def option(call: Call, group: str, name: str) -> dict:
    label, kind, choices, default, value = OPTIONS[group][name]
    out = {"id": name, "label": label, "description": label, "type": kind, "default": default}
    if kind != "multiselect":
        out["tip"] = label
    out["value"] = call.shop.currency if value is None else value
    if choices:
        out["options"] = choices
    links = call.render.links(f"settings/{group}", name, ["GET", "POST", "PUT", "PATCH"])
    return out | {"_links": links}


def list_options(call: Call, group: str) -> Response:
    if group not in GROUPS and group not in MAILS:
        raise Refused("rest_setting_setting_group_invalid", "Invalid setting group.", 404)
    return json_response([option(call, group, name) for name in OPTIONS.get(group, {})])


def get_option(call: Call, group: str, name: str) -> Response:
    if name not in OPTIONS.get(group, {}):
        raise Refused("rest_setting_setting_invalid", "Invalid setting.", 404)
    return json_response(option(call, group, name))


def get_currency(call: Call) -> Response:
    code = call.shop.currency
    links = call.render.links("data/currencies", code, ["GET"])
    symbol = SYMBOLS.get(code, (code, code))[1]
    return json_response({"code": code, "name": CURRENCIES.get(code, code), "symbol": symbol, "_links": links})


def list_taxes(call: Call) -> Response:
    asked = listing(call.params, orderby=("id", "order", "priority"), default="order", order="asc")
    return call.page(TAX_RATES, asked, lambda rate: tax_answer(call, rate))


def tax_answer(call: Call, rate: dict) -> dict:
    places = {"postcode": "", "city": "", "postcodes": [], "cities": []}
    numbers = {"rate": f"{rate['rate']:.4f}", "compound": False, "shipping": True, "order": rate["id"] - 1}
    return rate | places | numbers | {"_links": call.render.links("taxes", rate["id"])}


def list_zones(call: Call) -> Response:
    names = ["Locations not covered by your other zones", "Home"]
    return json_response(
        [
            {
                "id": zone,
                "name": name,
                "order": 0,
                "_links": call.render.links(
                    "shipping/zones", zone, describedby=call.render.link(f"shipping/zones/{zone}/locations")
                ),
            }
            for zone, name in enumerate(names)
        ],
        headers=[("X-WP-Total", "2"), ("X-WP-TotalPages", "1")],
    )


def order_totals(call: Call) -> Response:
    held = [order["status"] for order in call.shop.rows["orders"].values()]
    return json_response([{"slug": slug, "name": name, "total": held.count(slug)} for slug, name in STATUSES.items()])


def sales(call: Call) -> Response:
    """Today's sales, which is what WooCommerce reports without a period."""
    today = call.shop.clock(call.shop.at())[:10]
    paid = ("completed", "processing", "on-hold", "refunded")
    orders = [
        o
        for o in call.shop.rows["orders"].values()
        if o["status"] in paid and call.shop.clock(o["date_created_gmt"])[:10] == today
    ]
    sums = {
        key: sum(cents(order[key]) for order in orders)
        for key in ("total", "total_tax", "shipping_total", "discount_total")
    }
    items = sum(line["quantity"] for order in orders for line in order["line_items"])
    net = sums["total"] - sums["total_tax"] - sums["shipping_total"]
    day = {
        "sales": money(sums["total"]),
        "orders": len(orders),
        "items": items,
        "tax": money(sums["total_tax"]),
        "shipping": money(sums["shipping_total"]),
        "discount": money(sums["discount_total"]),
        "customers": 0,
    }
    report = {
        "total_sales": money(sums["total"]),
        "net_sales": money(net),
        "average_sales": money(net),
        "total_orders": len(orders),
        "total_items": items,
        "total_tax": money(sums["total_tax"]),
        "total_shipping": money(sums["shipping_total"]),
        "total_refunds": 0,
        "total_discount": money(sums["discount_total"]),
        "totals_grouped_by": "day",
        "totals": {today: day},
        "total_customers": 0,
        "_links": {"about": call.render.link("reports")},
    }
    return json_response([report])


def system_status(call: Call) -> Response:
    site = call.render.site()
    return json_response(
        {
            "environment": {
                "home_url": site,
                "site_url": site,
                "version": "10.0.2",
                "store_id": str(uuid5(NAMESPACE_URL, call.shop.name)),
                "wp_version": "6.8.8",
                "php_version": "8.2.36",
                "default_timezone": "UTC",
                "wp_multisite": False,
            },
            "database": {"wc_database_version": "10.0.2"},
            "active_plugins": [{"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": "10.0.2"}],
            "settings": {
                "api_enabled": False,
                "force_ssl": False,
                "currency": call.shop.currency,
                "currency_symbol": SYMBOLS.get(call.shop.currency, ("", ""))[1],
                "number_of_decimals": 2,
                "HPOS_enabled": True,
            },
        }
    )


ROUTES = [
    route("settings", GET=list_groups),
    route("settings/<slug>", GET=list_options),
    route("settings/<slug>/<slug>", GET=get_option),
    route("data/currencies/current", GET=get_currency),
    route("taxes", GET=list_taxes, allow="GET, POST"),
    route("shipping/zones", GET=list_zones, allow="GET, POST"),
    route("reports/orders/totals", GET=order_totals),
    route("reports/sales", GET=sales),
    route("system_status", GET=system_status),
]
