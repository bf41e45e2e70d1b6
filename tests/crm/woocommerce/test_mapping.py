import json
from decimal import Decimal

import orjson
import pytest

from crm.woocommerce import mapping
from crm.woocommerce.values import MappingError

from .recordings import body, names, recording

# Which function maps an object that came from (or was sent by) this place.
MAPPERS = {
    "orders": mapping.order,
    "refunds": mapping.refund,
    "customers": mapping.customer,
    "products": mapping.product,
    "variations": mapping.product,
    "categories": mapping.category,
    "coupons": mapping.coupon,
}


def kind_of(recorded) -> str | None:
    parts = [
        p for p in recorded["request"]["url"].split("?")[0].split("/wp-json/wc/v3/")[-1].split("/") if not p.isdigit()
    ]
    if parts[-1] == "abc":
        return None
    return parts[-1] if parts[-1] in MAPPERS else None


def objects_of(recorded):
    if not recorded["body"].lstrip().startswith(("{", "[")):
        return []
    answer = json.loads(recorded["body"])
    return [o for o in (answer if isinstance(answer, list) else [answer]) if isinstance(o, dict) and "id" in o]


def recorded_objects():
    for name in names():
        recorded = recording(name)
        kind = kind_of(recorded)
        if kind and recorded["status"] < 400 and "_fields" not in recorded["request"]["url"]:
            for payload in objects_of(recorded):
                if "error" not in payload:
                    yield pytest.param(kind, payload, id=f"{name}-{payload['id']}")


def test_every_recorded_object_maps():
    mapped = 0
    for parameter in recorded_objects():
        kind, payload = parameter.values
        if kind == "refunds":
            payload = {"parent_id": 1} | payload
        result = MAPPERS[kind](payload)
        orjson.dumps(result)
        mapped += 1
    assert mapped > 400


@pytest.mark.parametrize("name", names("webhook-deliveries/*.json"))
def test_every_recorded_delivery_maps(name):
    delivery = recording(f"webhook-deliveries/{name}")
    topic = next((v for k, v in dict(delivery["headers"]).items() if k.lower() == "x-wc-webhook-topic"), "")
    resource, _, event = topic.partition(".")
    if not resource or event == "deleted":
        return

    payload = json.loads(delivery["body"])
    if "code" in payload and "id" not in payload:
        with pytest.raises(MappingError, match="an error instead of an object"):
            MAPPERS[f"{resource}s"](payload)
        return

    assert MAPPERS[f"{resource}s"](payload)


def test_order_keeps_the_digits_that_the_shop_wrote():
    row, lines, refunds = mapping.order(body("order-full"))

    assert row["total"] == "1781.43"
    assert row["date_paid_gmt"] == "2026-01-09T04:55:26+00:00"
    assert row["status"] == "refunded"
    assert lines[0]["price"] == "499"
    assert lines[0]["variation_id_in_shop"] == 45
    assert refunds == [
        {"order_woo_id": 116, "woo_id": 117, "amount": "1781.43", "reason": "Retoure – परत केले"},
    ]


def test_refund_is_positive_and_names_the_lines_it_takes_back():
    row, lines = mapping.refund(body("order-refund-one") | {"parent_id": 67})

    assert (row["order_woo_id"], row["amount"]) == (67, "597.04")
    assert [(line["line_woo_id"], line["quantity"], line["total"]) for line in lines] == [(41, "1", "439.00")]


def test_variation_names_its_parent():
    assert mapping.product(body("product-variation-one"))["parent_woo_id"] == 39
    assert mapping.product(body("product-variable"))["parent_woo_id"] == 0


def test_variable_product_without_regular_price_has_none():
    assert mapping.product(body("product-variable"))["regular_price"] is None


def test_entities_in_names_become_letters():
    categories = [mapping.category(item)["name"] for item in body("products-categories")]

    assert "Tea & Spices" in categories


def order(**fields):
    return body("order-one-processing") | fields


@pytest.mark.parametrize(
    "meta_data",
    [
        None,
        [],
        {},
        "text",
        7,
        [None, 3, "x"],
        {"lang": "hi"},
        [{"no": "key"}],
        [{"key": "a", "value": {"b": [1]}}],
        [[]],
    ],
)
def test_meta_data_may_have_any_shape(meta_data):
    row, _, _ = mapping.order(order(meta_data=meta_data))

    assert isinstance(row["meta_data"], list)
    assert all("key" in item for item in row["meta_data"])


@pytest.mark.parametrize(
    ("field", "value", "column", "mapped"),
    [
        ("status", "wc-packed", "status", "packed"),
        ("currency", "XBT?", "currency", "XBT?"),
        ("number", "9" * 40, "number", "9" * 40),
        ("number", 12, "number", "12"),
        ("date_paid_gmt", "0000-00-00T00:00:00", "date_paid_gmt", None),
        ("date_created_gmt", None, "date_created_gmt", None),
        ("date_created_gmt", "-0001-11-30T00:00:00", "date_created_gmt", None),
        ("date_created_gmt", "2026-06-15", "date_created_gmt", "2026-06-15T00:00:00+00:00"),
        ("customer_id", "", "customer_woo_id", 0),
        ("billing", [], "billing_email", ""),
        ("billing", {"email": " Asha@Shop.Example "}, "billing_email", "asha@shop.example"),
        ("billing", {"email": "not an address"}, "billing_email", ""),
        ("total", "", "total", "0"),
        ("total", 12.5, "total", "12.5"),
        ("total", "1e3", "total", "1000"),
        ("tax_lines", {"2": {"id": 1}}, "tax_lines", [{"id": 1}]),
        ("payment_method_title", "Cash &amp; carry", "payment_method_title", "Cash & carry"),
    ],
)
def test_odd_values_are_forgiven(field, value, column, mapped):
    row, _, _ = mapping.order(order(**{field: value}))

    assert row[column] == mapped


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": None}, "id is missing"),
        ({"id": int("9" * 40)}, "id is 9999"),
        ({"total": "NaN"}, "total is 'NaN': an amount was expected"),
        ({"total": "9" * 40}, "total is '9999"),
        ({"total": float("inf")}, "total is inf"),
        ({"total_tax": {"a": 1}}, "total_tax is {'a': 1}"),
        ({"date_created_gmt": "yesterday"}, "date_created_gmt is 'yesterday': a date was expected"),
        ({"customer_id": -4}, "customer_id is -4"),
        ({"customer_id": "²"}, "customer_id is '²'"),
        ({"customer_id": "9" * 5000}, "customer_id is '9999"),
        ({"status": ""}, "status is '': a status was expected"),
        ({"line_items": [{"name": "no number"}]}, "id is missing"),
    ],
)
def test_what_is_wrong_is_named(fields, message):
    with pytest.raises(MappingError) as error:
        mapping.order(order(**fields))

    assert message in str(error.value)


@pytest.mark.parametrize("payload", [None, 5, "order", []])
def test_what_is_no_object_is_refused(payload):
    with pytest.raises(MappingError):
        mapping.order(payload)


@pytest.mark.parametrize(
    ("entries", "language"),
    [
        ([{"key": "wpml_language", "value": "hi"}], "hi"),
        ([{"key": "locale", "value": "mr_IN"}, {"key": "trp_language", "value": "de_AT"}], "de-at"),
        ([{"key": "wpml_language", "value": ["hi"]}, {"key": "locale", "value": "en_US"}], "en-us"),
        ([{"key": "locale", "value": "no language at all"}], ""),
        ([], ""),
    ],
)
def test_language_is_read_from_where_translation_plugins_keep_it(entries, language):
    customer = mapping.customer(body("customer-one") | {"meta_data": entries})

    assert customer["language"] == language


def test_carts_are_no_orders():
    assert not mapping.is_order(body("order-one-checkout-draft"))
    assert mapping.is_order(body("order-one-pending"))


def test_money_is_never_written_with_an_exponent():
    row, _, _ = mapping.order(order(total=1e-7))

    assert Decimal(row["total"]) == Decimal("0.0000001")
    assert "e" not in row["total"].lower()
