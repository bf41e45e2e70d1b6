"""The rules of a real WooCommerce that a mirror stumbles over."""

from decimal import Decimal

import pytest

from postpurchase.demo import server


def bumped(rest, order_id: int) -> str:
    return rest.get(f"orders/{order_id}")["date_modified_gmt"]


def found(rest, **params) -> list[int]:
    return sorted(order["id"] for order in rest.get("orders", per_page=100, **params))


def test_modified_after_is_exclusive_at_whole_seconds(shop, clock, rest):
    order = shop.place_order()
    clock.tick(0.4)
    shop.update_order(order["id"])

    assert order["id"] not in found(rest, modified_after="2026-03-10T12:00:00", dates_are_gmt="true")
    assert found(rest, modified_after="2026-03-10T11:59:59", dates_are_gmt="true") == [order["id"]]


def test_a_suffix_with_dates_are_gmt_shifts_and_hides_changes(shop, rest):
    order = shop.place_order()

    assert order["id"] not in found(rest, modified_after="2026-03-10T11:00:00Z", dates_are_gmt="true")
    assert found(rest, modified_after="2026-03-10T11:00:00Z") == [order["id"]]
    assert found(rest, modified_after="2026-03-10T16:30:00") == [order["id"]]  # shop-local


@pytest.mark.parametrize("wrong", ["2026-03-10", "2026-03-10T11:00", "yesterday"])
def test_a_date_without_seconds_is_refused(rest, wrong):
    assert rest.send("GET", "orders", modified_after=wrong).status_code == 400


def test_a_page_past_the_end_has_totals_of_zero(rest):
    answer = rest.send("GET", "orders", per_page=100, page=9)

    assert (answer.json(), answer.headers["X-WP-Total"], answer.headers["X-WP-TotalPages"]) == ([], "0", "0")


def test_paging_by_id_meets_every_order_once(shop, rest):
    walked = [
        order["id"]
        for page in range(1, 8)
        for order in rest.get("orders", per_page=3, page=page, orderby="id", order="asc")
    ]

    assert walked == sorted(o["id"] for o in shop.rows["orders"].values() if o["status"] != "trash")


def test_ties_of_modified_fall_anew_on_every_request(shop, rest):
    for order in shop.rows["orders"].values():
        order["date_modified_gmt"] = "2026-03-01T00:00:00"

    walks = {tuple(order["id"] for order in rest.get("orders", orderby="modified", per_page=100)) for _ in range(5)}

    assert len(walks) > 1


def test_only_the_last_of_two_statuses_counts_and_a_list_gives_both(shop, rest):
    statuses = {o["status"] for o in rest.get("orders?status=pending&status=completed", per_page=100)}

    assert statuses == {"completed"}
    assert {o["status"] for o in rest.get("orders", status="pending,completed", per_page=100)} == {
        "pending",
        "completed",
    }


def test_trash_shows_only_when_asked_for(shop, rest):
    order = shop.place_order()
    shop.trash(order["id"])

    assert order["id"] not in found(rest) + found(rest, status="any") + found(rest, include=str(order["id"]))
    assert order["id"] in found(rest, status="trash")
    assert rest.get(f"orders/{order['id']}")["status"] == "trash"


def test_drafts_are_in_the_default_list(shop, rest):
    order = shop.place_order(status="checkout-draft")

    assert order["id"] in found(rest)


def test_a_deleted_order_is_a_404(shop, rest):
    order = shop.place_order()
    shop.delete(order["id"])

    assert rest.send("GET", f"orders/{order['id']}").status_code == 404
    assert rest.send("PUT", f"orders/{order['id']}", {}).status_code == 400


def test_what_bumps_date_modified(shop, clock, rest):
    order = shop.place_order()
    shop.pay(order["id"])
    refund = shop.refund(order["id"], amount="1.00")
    before = bumped(rest, order["id"])
    clock.tick()

    rest.post(f"orders/{order['id']}/notes", {"note": "silent"})
    rest.send("DELETE", f"orders/{order['id']}/refunds/{refund['id']}", force="true")
    assert bumped(rest, order["id"]) == before

    rest.put(f"orders/{order['id']}", {})
    assert bumped(rest, order["id"]) > before


def test_deleting_a_customer_makes_their_orders_a_guests(shop, clock, rest):
    customer = shop.add_customer(email="leaving@mail.example")
    order = shop.place_order(email="leaving@mail.example")
    clock.tick()
    shop.delete_customer(customer["id"])

    answer = rest.get(f"orders/{order['id']}")
    assert (answer["customer_id"], answer["date_modified_gmt"]) == (0, "2026-03-10T12:00:01")


def test_meta_scalars_become_text_and_lists_stay(rest):
    meta = [{"key": "n", "value": 42}, {"key": "b", "value": True}, {"key": "l", "value": [{"a": 1}]}]

    order = rest.post("orders", {"meta_data": meta})

    assert {m["key"]: m["value"] for m in order["meta_data"]} == {"n": "42", "b": "1", "l": [{"a": 1}]}


@pytest.mark.parametrize(
    "body", [{"line_items": "tea"}, {"line_items": [{"product_id": "x", "quantity": "many"}]}, {"billing": [1]}]
)
def test_a_body_that_cannot_be_read_is_refused_and_leaves_nothing(shop, rest, body):
    count = len(shop.rows["orders"])

    assert rest.send("POST", "orders", body).status_code in (400, 404)
    assert len(shop.rows["orders"]) == count


def test_totals_add_up(shop, rest):
    for order in rest.get("orders", per_page=100, status="any"):
        lines = sum(Decimal(line["total"]) for line in order["line_items"])
        fees = sum(Decimal(fee["total"]) for fee in order["fee_lines"])
        parts = lines + fees + Decimal(order["shipping_total"]) + Decimal(order["total_tax"])
        taxes = sum(Decimal(t["tax_total"]) + Decimal(t["shipping_tax_total"]) for t in order["tax_lines"])
        assert Decimal(order["total"]) == parts
        assert Decimal(order["total_tax"]) == taxes


def test_a_refund_keeps_the_total_and_ends_in_refunded(shop, rest):
    order = shop.place_order()
    shop.pay(order["id"])
    line = rest.get(f"orders/{order['id']}")["line_items"][0]

    refund = shop.refund(order["id"], lines={line["id"]: 1})
    shop.refund(order["id"])

    answer = rest.get(f"orders/{order['id']}")
    assert answer["status"] == "refunded"
    assert answer["total"] == order["total"]
    assert sum(Decimal(r["total"]) for r in answer["refunds"]) == -Decimal(order["total"])
    assert Decimal(refund["line_items"][0]["total"]) < 0 < Decimal(refund["amount"])


def test_an_over_refund_is_a_500_with_a_bare_number(shop, rest):
    order = shop.place_order()
    answer = rest.send("POST", f"orders/{order['id']}/refunds", {"amount": "99999", "api_refund": False})

    assert (answer.status_code, answer.json()["data"]) == (500, 500)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"discount_type": "percent", "amount": "110"}, {"amount": "0.00"}),
        ({"email_restrictions": ["not an address", "A@B.example"]}, {"email_restrictions": ["a@b.example"]}),
        ({"date_expires_gmt": "2026-12-31T18:29:59"}, {"date_expires": None}),
        ({"date_expires": "2026-12-31T23:59:59"}, {"date_expires_gmt": "2026-12-31T18:29:59"}),
        ({"code": "SORRY-Asha"}, {"code": "sorry-asha"}),
    ],
)
def test_coupons_are_not_always_what_was_asked(rest, asked, kept):
    coupon = rest.post("coupons", {"code": "new"} | asked)

    assert {key: coupon[key] for key in kept} == kept


def test_shipping_leaves_trackings_of_each_parcel(shop, rest):
    order = shop.place_order()
    shop.ship(order["id"], [{"carrier": "dhl", "number": "A1"}, {"carrier": "India Post", "number": "B2"}])

    held = next(
        m["value"] for m in rest.get(f"orders/{order['id']}")["meta_data"] if m["key"] == "_wc_shipment_tracking_items"
    )
    own = rest.session.get(
        f"{rest.demo.url}/wp-json/wc-shipment-tracking/v3/orders/{order['id']}/shipment-trackings", timeout=5
    )

    assert [(i["tracking_provider"], i["custom_tracking_provider"], i["tracking_number"]) for i in held] == [
        ("dhl", "", "A1"),
        ("", "India Post", "B2"),
    ]
    assert held[0]["date_shipped"] == "1773144000"
    assert own.json()[1] == {
        "tracking_id": held[1]["tracking_id"], "tracking_provider": "India Post", "tracking_link": "",
        "tracking_number": "B2", "date_shipped": "2026-03-10",
    }  # fmt: skip


def test_a_plugins_status_is_listed_and_filtered(shop, rest):
    order = shop.place_order()
    shop.set_status(order["id"], "packed")

    assert found(rest, status="packed") == [order["id"]]
    assert "packed" in {row["slug"] for row in rest.get("orders/statuses")}


def test_fields_choose_and_reach_into_objects(rest):
    rows = rest.get("orders", per_page=2, _fields="id,billing.email,line_items.sku")

    assert all(set(row) == {"id", "billing", "line_items"} and set(row["billing"]) == {"email"} for row in rows)


def test_the_shop_answers_with_its_own_clock(clock, rest):
    answer = rest.session.get(f"{rest.demo.url}/wp-json/", params={"_fields": "name,gmt_offset"}, timeout=5)

    assert answer.json() == {"name": "Masala House", "gmt_offset": 5.5}
    assert answer.headers["Date"] == "Tue, 10 Mar 2026 12:00:00 GMT"


def test_the_same_seed_and_clock_make_the_same_year(clock):
    one, other = (server.year_shop(3, now=clock, customers=40, orders=150) for _ in range(2))

    assert one.rows == other.rows
    assert one.rows != server.year_shop(4, now=clock, customers=40, orders=150).rows


def test_the_year_has_a_bit_of_everything(clock):
    shop = server.year_shop(now=clock)
    orders = shop.rows["orders"].values()
    parcels = [len(m["value"]) for o in orders for m in o["meta_data"] if m["key"] == "_wc_shipment_tracking_items"]

    assert {o["status"] for o in orders} >= {
        "pending",
        "processing",
        "on-hold",
        "completed",
        "cancelled",
        "refunded",
        "failed",
        "checkout-draft",
        "packed",
        "trash",
    }
    assert len(orders) >= 3000 and len(shop.rows["customers"]) >= 300
    assert 0.07 < parcels.count(2) / len(parcels) < 0.13
    assert {o["billing"]["country"] for o in orders} >= {"IN", "DE", "US", "GB", ""}
    assert any("\u0600" < o["billing"]["first_name"][:1] < "\u06ff" for o in orders)
    assert max(o["date_created_gmt"] for o in orders) < "2026-03-10"
