"""What the shop sells: products with variations, categories, tags and reviews; and its coupons."""

import unicodedata
import uuid
from datetime import datetime
from urllib.parse import quote

from .customers import is_email
from .pricing import cents, money, unpadded
from .state import Refused, State, stamp

PRODUCT_FIELDS = [
    "name",
    "description",
    "short_description",
    "sku",
    "status",
    "featured",
    "catalog_visibility",
    "tax_status",
    "tax_class",
    "manage_stock",
    "stock_quantity",
    "weight",
    "upsell_ids",
    "cross_sell_ids",
    "purchase_note",
    "menu_order",
    "reviews_allowed",
    "low_stock_amount",
]
COUPON_TYPES = ("percent", "fixed_cart", "fixed_product")
COUPON_DEFAULTS: dict = {
    "amount": "0.00",
    "discount_type": "fixed_cart",
    "description": "",
    "date_expires_gmt": None,
    "individual_use": False,
    "product_ids": [],
    "excluded_product_ids": [],
    "usage_limit": None,
    "usage_limit_per_user": None,
    "limit_usage_to_x_items": None,
    "free_shipping": False,
    "product_categories": [],
    "excluded_product_categories": [],
    "exclude_sale_items": False,
    "minimum_amount": "0.00",
    "maximum_amount": "0.00",
    "email_restrictions": [],
}


def slug_of(name: str) -> str:
    """WordPress's slug: small letters and dashes; other scripts percent-encoded in lower case."""
    kept = "".join(c for c in name.lower() if c.isalnum() or c in " -" or unicodedata.category(c).startswith("M"))
    return quote("-".join(kept.split()), safe="-").lower()


class Catalogue(State):
    def product(self, product_id: int) -> dict:
        try:
            return self.rows["products"][product_id]
        except KeyError:
            raise Refused("woocommerce_rest_product_invalid_id", "Invalid ID.", 404) from None

    def first_product(self) -> dict:
        return next(
            p
            for p in self.rows["products"].values()
            if p["type"] == "simple" and p["status"] == "publish" and p["price"]
        )

    def add_product(self, *, name: str, at: datetime | None = None, **fields) -> dict:
        with self.lock:
            created = stamp(at) if at else self.at()
            kind = fields.get("type") or "simple"
            product = {
                "id": self.number("post"),
                "name": name,
                "slug": slug_of(name),
                "date_created_gmt": created,
                "date_modified_gmt": created,
                "type": kind,
                "status": fields.get("status") or "publish",
                "featured": False,
                "catalog_visibility": "visible",
                "description": "",
                "short_description": "",
                "sku": "",
                "price": "",
                "regular_price": "",
                "sale_price": "",
                "total_sales": 0,
                "virtual": bool(fields.get("virtual")),
                "downloadable": bool(fields.get("downloadable")),
                "downloads": [
                    {
                        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, file["file"])),
                        "name": file["name"],
                        "file": file["file"],
                    }
                    for file in fields.get("downloads") or []
                ],
                "download_limit": fields.get("download_limit", -1),
                "external_url": fields.get("external_url", ""),
                "tax_status": "taxable",
                "tax_class": "",
                "manage_stock": False,
                "stock_quantity": None,
                "low_stock_amount": None,
                "weight": "",
                "reviews_allowed": True,
                "upsell_ids": [],
                "cross_sell_ids": [],
                "purchase_note": "",
                "menu_order": 0,
                "categories": [c["id"] for c in fields.get("categories") or []] or [self.default_category()],
                "tags": [t["id"] for t in fields.get("tags") or []],
                "images": fields.get("images") or [],
                "attributes": fields.get("attributes") or [],
                "variations": [],
                "grouped_products": fields.get("grouped_products") or [],
                "meta_data": [],
            }
            self._write_product(product, fields)
            self.keep("products", product)
            self.tell("product.created", product["id"])
            return product

    def default_category(self) -> int:
        return next((c["id"] for c in self.rows["categories"].values() if c["slug"] == "uncategorized"), 15)

    def _write_product(self, product: dict, fields: dict) -> None:
        for key in PRODUCT_FIELDS:
            if fields.get(key) is not None:
                product[key] = fields[key]
        if fields.get("stock_quantity") is not None:
            product["manage_stock"] = True
        for key in ("regular_price", "sale_price"):
            if fields.get(key) is not None:
                product[key] = unpadded(cents(fields[key])) if fields[key] != "" else ""
        product["price"] = product["sale_price"] or product["regular_price"]
        if fields.get("categories"):
            product["categories"] = [category["id"] for category in fields["categories"]]
        self.set_meta(product, fields.get("meta_data") or [])

    def update_product(self, product_id: int, **fields) -> dict:
        with self.lock:
            product = self.product(product_id)
            self._write_product(product, fields)
            product["date_modified_gmt"] = self.at()
            self.keep("products", product)
            self.tell("product.updated", product_id)
            return product

    def trash_product(self, product_id: int) -> None:
        with self.lock:
            product = self.product(product_id)
            told = {"_wp_trash_meta_status": product["status"], "_wp_trash_meta_time": int(self.now().timestamp())}
            product["meta_data"] += self.meta(told | {"_wp_desired_post_slug": product["slug"]})
            product["status"] = "trash"
            product["date_modified_gmt"] = self.at()
            self.keep("products", product)
            self._tell_trashed(product_id)

    def _tell_trashed(self, post_id: int) -> None:
        """WordPress has one hook for a trashed post, so both webhooks fire, whatever the post was."""
        self.tell("coupon.deleted", post_id)
        self.tell("product.deleted", post_id)

    def delete_product(self, product_id: int) -> None:
        """Lines that sold it keep their name and lose their product: id 0, no SKU."""
        with self.lock:
            for variation_id in self.product(product_id)["variations"]:
                self.drop("variations", variation_id)
            self.drop("products", product_id)

    def add_variation(
        self, product_id: int, options: dict[str, str], price: str, sale_price: str = "", sku: str = ""
    ) -> dict:
        """A variation; `options` maps the attribute's name to the option, an option left out means any."""
        with self.lock:
            product = self.product(product_id)
            created = product["date_created_gmt"]
            variation = {
                "id": self.number("post"),
                "parent_id": product_id,
                "date_created_gmt": created,
                "date_modified_gmt": created,
                "description": "",
                "sku": sku,
                "price": sale_price or price,
                "regular_price": price,
                "sale_price": sale_price,
                "status": "publish",
                "menu_order": 0,
                "attributes": [{"id": 0, "name": n, "slug": slug_of(n), "option": o} for n, o in options.items()],
                "meta_data": [],
            }
            product["variations"].append(variation["id"])
            prices = [float(self.rows["variations"][v]["price"]) for v in product["variations"][:-1]] + [
                float(variation["price"])
            ]
            product["price"] = unpadded(cents(min(prices)))
            self.keep("products", product)
            return self.keep("variations", variation)

    def add_term(self, table: str, name: str, parent: int = 0) -> dict:
        term = {
            "id": self.number("term", 15),
            "name": name,
            "slug": slug_of(name.replace("&amp;", "")),
            "parent": parent,
        }
        return self.keep(table, term)

    def delete_category(self, category_id: int) -> None:
        """Its products leave it and those below it move up, all without a change of a date or a webhook, as in WordPress."""
        with self.lock:
            if category_id == self.default_category():
                raise Refused("woocommerce_rest_cannot_delete", "Default product category cannot be deleted.", 400)
            gone = self.rows["categories"].pop(category_id)
            for row in self.rows["categories"].values():
                if row["parent"] == category_id:
                    row["parent"] = gone["parent"]
            for product in self.rows["products"].values():
                left = [number for number in product["categories"] if number != category_id]
                product["categories"] = left or [self.default_category()]

    def review(self, review_id: int) -> dict:
        try:
            return self.rows["reviews"][review_id]
        except KeyError:
            raise Refused("woocommerce_rest_review_invalid_id", "Invalid review ID.", 404) from None

    def add_review(
        self,
        *,
        product_id: int,
        review: str,
        reviewer: str,
        reviewer_email: str,
        rating: int = 0,
        status: str = "approved",
        at: datetime | None = None,
        **_unknown,
    ) -> dict:
        with self.lock:
            if product_id not in self.rows["products"]:
                raise Refused("woocommerce_rest_product_invalid_id", "Invalid product ID.", 404)
            same = (product_id, reviewer_email, review)
            if same in {(r["product_id"], r["reviewer_email"], r["review"]) for r in self.rows["reviews"].values()}:
                message = "Duplicate comment detected; it looks as though you&#8217;ve already said that!"
                raise Refused("woocommerce_rest_comment_duplicate", message, 409)
            row = {
                "id": self.number("comment"),
                "date_created_gmt": stamp(at) if at else self.at(),
                "product_id": product_id,
                "status": status,
                "reviewer": reviewer,
                "reviewer_email": reviewer_email,
                "review": review,
                "rating": int(rating),
            }
            return self.keep("reviews", row)

    def set_review_status(self, review_id: int, status: str) -> dict:
        """Approve, hold or throw away a review. It has no date of change, and nobody is told."""
        with self.lock:
            return self.keep("reviews", self.review(review_id) | {"status": status})

    def coupon(self, coupon_id: int) -> dict:
        try:
            return self.rows["coupons"][coupon_id]
        except KeyError:
            raise Refused("woocommerce_rest_shop_coupon_invalid_id", "Invalid ID.", 404) from None

    def coupon_by_code(self, code: str) -> dict | None:
        code = code.lower()
        return next((c for c in self.rows["coupons"].values() if c["code"] == code and c["status"] == "publish"), None)

    def add_coupon(self, *, code: str, at: datetime | None = None, **fields) -> dict:
        with self.lock:
            if self.coupon_by_code(code):
                raise Refused("woocommerce_rest_coupon_code_already_exists", "The coupon code already exists", 400)
            created = stamp(at) if at else self.at()
            dates = {"date_created_gmt": created, "date_modified_gmt": created}
            coupon = {"id": self.number("post"), "code": code.lower(), "status": "publish", **dates, **COUPON_DEFAULTS}
            coupon |= {"usage_count": 0, "used_by": [], "meta_data": []}
            coupon = {key: list(value) if isinstance(value, list) else value for key, value in coupon.items()}
            self._write_coupon(coupon, fields)
            self.keep("coupons", coupon)
            self.tell("coupon.created", coupon["id"])
            return coupon

    def _write_coupon(self, coupon: dict, fields: dict) -> None:
        for key in COUPON_DEFAULTS.keys() - {"amount", "date_expires_gmt", "email_restrictions"}:
            if key in fields:
                coupon[key] = fields[key]
        for key in ("minimum_amount", "maximum_amount"):
            coupon[key] = money(cents(coupon[key]))
        if fields.get("amount") is not None:
            amount = cents(fields["amount"])
            # A percentage above 100 is an error inside WooCommerce that it swallows: nothing off.
            coupon["amount"] = "0.00" if coupon["discount_type"] == "percent" and amount > 10_000 else money(amount)
        if "email_restrictions" in fields:
            coupon["email_restrictions"] = [e.lower() for e in fields["email_restrictions"] or [] if is_email(e)]
        if "date_expires" in fields:
            # `date_expires_gmt` is ignored on writing; only the shop-local date counts.
            coupon["date_expires_gmt"] = self.from_local(fields["date_expires"])
        self.set_meta(coupon, fields.get("meta_data") or [])

    def from_local(self, text: str | None) -> str | None:
        if not text:
            return None
        return stamp(datetime.fromisoformat(text[:19]).replace(tzinfo=self.zone))

    def update_coupon(self, coupon_id: int, **fields) -> dict:
        with self.lock:
            coupon = self.coupon(coupon_id)
            other = self.coupon_by_code(fields["code"]) if fields.get("code") else None
            if other and other is not coupon:
                raise Refused("woocommerce_rest_coupon_code_already_exists", "The coupon code already exists", 400)
            coupon["code"] = fields["code"].lower() if fields.get("code") else coupon["code"]
            self._write_coupon(coupon, fields)  # no bump of date_modified: WooCommerce shows none either
            self.keep("coupons", coupon)
            self.tell("coupon.updated", coupon_id)
            return coupon

    def trash_coupon(self, coupon_id: int) -> None:
        with self.lock:
            coupon = self.coupon(coupon_id)
            coupon["status"] = "trash"
            self.keep("coupons", coupon)
            self._tell_trashed(coupon_id)

    def delete_coupon(self, coupon_id: int) -> None:
        with self.lock:
            self.coupon(coupon_id)
            self.drop("coupons", coupon_id)
