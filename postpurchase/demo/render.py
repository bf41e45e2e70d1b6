"""Rows as WooCommerce answers them: local dates, money at the asked precision, links."""

from html import escape

from .customers import avatar
from .pricing import cents
from .shop import Shop

EVERYTHING = ["GET", "POST", "PUT", "PATCH", "DELETE"]
SYMBOLS = {"INR": ("₹", "&#8377;"), "EUR": ("€", "&euro;"), "USD": ("$", "&#36;"), "GBP": ("£", "&pound;")}
MONEY = {
    "discount_total",
    "discount_tax",
    "shipping_total",
    "shipping_tax",
    "cart_tax",
    "total",
    "total_tax",
    "subtotal",
    "subtotal_tax",
    "tax_total",
    "shipping_tax_total",
    "amount",
}


class Renderer:
    """Renders for one request: `base` is the address of the REST API as the caller reached it."""

    def __init__(self, shop: Shop, base: str, dp: int = 2):
        self.shop, self.base, self.dp = shop, base, dp

    def links(self, path: str, item: int | str, allow: list[str] | None = None, **more: list[dict]) -> dict:
        collection = {"collection": [{"href": f"{self.base}/{path}"}]}
        self_link: dict = {"href": f"{self.base}/{path}/{item}", "targetHints": {"allow": allow or EVERYTHING}}
        return {"self": [self_link]} | collection | more

    def link(self, path: str) -> list[dict]:
        return [{"href": f"{self.base}/{path}"}]

    def dates(self, row: dict, *names: str) -> dict:
        out = {}
        for name in names:
            out[name] = self.shop.local(row[name + "_gmt"])
            out[name + "_gmt"] = row[name + "_gmt"]
        return out

    def site(self) -> str:
        return self.base.partition("/wp-json")[0]

    def precise(self, value):
        """Money with `dp` decimals, wherever it stands in the answer."""
        if isinstance(value, list):
            return [self.precise(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: f"{float(item):.{self.dp}f}"
            if key in MONEY and isinstance(item, str) and item
            else self.precise(item)
            if isinstance(item, (dict, list))
            else item
            for key, item in value.items()
        }

    def order(self, row: dict) -> dict:
        shop, out = self.shop, dict(row)
        for name in ("date_created", "date_modified", "date_completed", "date_paid"):
            out[name] = shop.local(row[name + "_gmt"])
        unpaid = row["status"] in ("pending", "failed", "checkout-draft")
        pay = f"{self.site()}/checkout/order-pay/{row['id']}/?pay_for_order=true&key={row['order_key']}"
        out |= {
            "number": str(row["id"]),
            "line_items": [self.line(line) for line in row["line_items"]],
            "refunds": row["refunds"] if shop.names_refunds else [],
            "payment_url": pay,
            "is_editable": row["status"] in ("pending", "on-hold", "auto-draft"),
            "needs_payment": unpaid and cents(row["total"]) > 0,
            "needs_processing": bool(row["line_items"]),
            "currency_symbol": SYMBOLS.get(row["currency"], (row["currency"],))[0],
        }
        if self.dp != 2:
            out = self.precise(out)
        templates = {"embeddable": True, "href": f"{self.base}/orders/{row['id']}/actions/email_templates"}
        more: dict = {"email_templates": [templates]}
        if row["customer_id"]:
            more["customer"] = self.link(f"customers/{row['customer_id']}")
        out["_links"] = self.links("orders", row["id"], None, **more)
        return out

    def line(self, line: dict) -> dict:
        src = line["image"]["src"]
        if line["product_id"] and line["product_id"] not in self.shop.rows["products"]:
            # The product is gone: WooCommerce finds nothing behind the line and says so in each field.
            return line | {"product_id": 0, "variation_id": 0, "sku": None, "image": {"id": 0, "src": ""}}
        return line | {"image": {"id": line["image"]["id"], "src": self.site() + src}} if src else line

    def refund(self, row: dict, listed: bool = False) -> dict:
        parent = row["parent_id"]
        out = {key: value for key, value in row.items() if key != "parent_id" or listed}
        out |= self.dates(row, "date_created")
        out["line_items"] = [self.line(line) for line in row["line_items"]]
        if self.dp != 2:
            out = self.precise(out)
        up = self.link(f"orders/{parent}")
        return out | {"_links": self.links(f"orders/{parent}/refunds", row["id"], ["GET", "DELETE"], up=up)}

    def note(self, row: dict) -> dict:
        order_id = row["order_id"]
        out = {"id": row["id"], "author": row["author"], **self.dates(row, "date_created")}
        out |= {"note": row["note"], "customer_note": row["customer_note"]}
        links = self.links(f"orders/{order_id}/notes", row["id"], ["GET", "DELETE"], up=self.link(f"orders/{order_id}"))
        return out | {"_links": links}

    def customer(self, row: dict) -> dict:
        allow = EVERYTHING[:4] if row["role"] == "administrator" else EVERYTHING
        return {
            "id": row["id"],
            **self.dates(row, "date_created", "date_modified"),
            **{
                key: row[key] for key in ["email", "first_name", "last_name", "role", "username", "billing", "shipping"]
            },
            "is_paying_customer": row["is_paying_customer"],
            "avatar_url": avatar(row["email"]),
            "meta_data": row["meta_data"],
            "_links": self.links("customers", row["id"], allow),
        }

    def terms(self, table: str, ids: list[int]) -> list[dict]:
        rows = self.shop.rows[table]
        return [{key: rows[i][key] for key in ("id", "name", "slug")} for i in ids if i in rows]

    def sale(self, row: dict) -> dict:
        """What products and variations share: price, sale, stock and size."""
        on_sale = bool(row["sale_price"])
        unset = dict.fromkeys(
            ["date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt"], None
        )
        return {
            "sku": row["sku"],
            "global_unique_id": "",
            "price": row["price"],
            "regular_price": row["regular_price"],
            "sale_price": row["sale_price"],
            **unset,
            "on_sale": on_sale,
            "purchasable": bool(row["price"]),
            "status": row["status"],
            "virtual": row.get("virtual", False),
            "downloadable": row.get("downloadable", False),
            "downloads": row.get("downloads", []),
            "download_limit": row.get("download_limit", -1),
            "download_expiry": -1,
            "tax_status": row.get("tax_status", "taxable"),
            "tax_class": row.get("tax_class", ""),
            "manage_stock": row.get("manage_stock", False),
            "stock_quantity": row.get("stock_quantity"),
            "stock_status": "instock",
            "backorders": "no",
            "backorders_allowed": False,
            "backordered": False,
            "low_stock_amount": row.get("low_stock_amount"),
            "weight": row.get("weight", ""),
            "dimensions": {"length": "", "width": "", "height": ""},
            "shipping_class": "",
            "shipping_class_id": 0,
            "meta_data": row["meta_data"],
            "menu_order": row["menu_order"],
            "description": row["description"],
        }

    def product(self, row: dict, edited: bool = False) -> dict:
        shop = self.shop
        if row.get("parent_id"):
            return self.variation_as_product(row)
        ratings = [
            r["rating"]
            for r in shop.rows["reviews"].values()
            if r["product_id"] == row["id"] and r["status"] == "approved"
        ]
        shares = set(row["categories"])
        related = [
            other["id"]
            for other in shop.rows["products"].values()
            if other["id"] != row["id"] and other["status"] == "publish" and shares & set(other["categories"])
        ][:5]
        sale = self.sale(row)
        sale["on_sale"] = sale["on_sale"] or any(shop.rows["variations"][v]["sale_price"] for v in row["variations"])
        out = {
            "id": row["id"],
            "name": row["name"],
            "slug": row["slug"],
            "permalink": f"{self.site()}/product/{row['slug']}/",
            **self.dates(row, "date_created", "date_modified"),
            "type": row["type"],
            "featured": row["featured"],
            "catalog_visibility": row["catalog_visibility"],
            "short_description": row["short_description"],
            **sale,
            "total_sales": row["total_sales"],
            "external_url": row["external_url"],
            "button_text": "",
            "sold_individually": False,
            "shipping_required": not row["virtual"],
            "shipping_taxable": not row["virtual"],
            "reviews_allowed": row["reviews_allowed"],
            "average_rating": f"{sum(ratings) / len(ratings):.2f}" if ratings else "0.00",
            "rating_count": len(ratings),
            "upsell_ids": row["upsell_ids"],
            "cross_sell_ids": row["cross_sell_ids"],
            "parent_id": 0,
            "purchase_note": row["purchase_note"],
            "categories": self.terms("categories", row["categories"]),
            "brands": [],
            "tags": self.terms("tags", row["tags"]),
            "images": [self.image(image, row) for image in row["images"]],
            "attributes": row["attributes"],
            "default_attributes": [],
            "variations": row["variations"],
            "grouped_products": row["grouped_products"],
            "price_html": self.price_html(row),
            "related_ids": related,
            "has_options": row["type"] == "variable",
            "post_password": "",
        }
        if edited:
            out |= {"permalink_template": f"{self.site()}/product/%pagename%/", "generated_slug": row["slug"]}
        return out | {"_links": self.links("products", row["id"])}

    def image(self, image: dict, row: dict) -> dict:
        # A picture's local date is shifted twice in WooCommerce; nobody should read it.
        shifted = self.shop.local(self.shop.local(row["date_created_gmt"]))
        dates = {"date_created": shifted, "date_created_gmt": row["date_created_gmt"]}
        dates |= {"date_modified": shifted, "date_modified_gmt": row["date_created_gmt"]}
        return {
            "id": image["id"],
            **dates,
            "src": self.site() + image["src"],
            "name": image["name"],
            "alt": image["alt"],
        }

    def price_html(self, row: dict) -> str:
        if not row["price"]:
            return ""
        symbol = SYMBOLS.get(self.shop.currency, ("", ""))[1]

        def amount(price: str) -> str:
            return f'<span class="woocommerce-Price-amount amount"><bdi>{symbol}{cents(price) / 100:.2f}</bdi></span>'

        if row["sale_price"]:
            return f'<del aria-hidden="true">{amount(row["regular_price"])}</del> <ins aria-hidden="true">{amount(row["price"])}</ins>'
        return amount(row["price"])

    def variation_permalink(self, row: dict) -> str:
        first = row["attributes"][0]
        parent = self.shop.rows["products"][row["parent_id"]]
        return f"{self.site()}/product/{parent['slug']}/?attribute_{first['slug']}={escape(first['option'])}"

    def variation(self, row: dict) -> dict:
        parent = row["parent_id"]
        return {
            "id": row["id"],
            "type": "variation",
            **self.dates(row, "date_created", "date_modified"),
            "permalink": self.variation_permalink(row),
            **self.sale(row),
            "image": None,
            "attributes": row["attributes"],
            "name": ", ".join(attribute["option"] for attribute in row["attributes"]),
            "parent_id": parent,
            "_links": self.links(f"products/{parent}/variations", row["id"], up=self.link(f"products/{parent}")),
        }

    def variation_as_product(self, row: dict) -> dict:
        """`GET /products/<id>` of a variation answers with a product's keys."""
        shop = self.shop
        parent = shop.rows["products"][row["parent_id"]]
        blank = parent | {
            "categories": [],
            "tags": [],
            "images": [],
            "upsell_ids": [],
            "cross_sell_ids": [],
            "variations": [],
        }
        blank |= {"reviews_allowed": False, "purchase_note": "", "parent_id": 0}
        out = self.product(blank | {key: row[key] for key in row if key not in ("parent_id", "attributes")})
        out |= {
            "type": "variation",
            "permalink": self.variation_permalink(row),
            "total_sales": "0",  # text here, a number on products: WooCommerce's own inconsistency
            "parent_id": row["parent_id"],
            "attributes": row["attributes"],
            "has_options": False,
            "related_ids": [],
        }
        out["_links"] |= {"up": self.link(f"products/{row['parent_id']}")}
        return out

    def category(self, row: dict) -> dict:
        out = {key: row[key] for key in ("id", "name", "slug", "parent")}
        out |= {
            "description": "",
            "display": "default",
            "image": None,
            "menu_order": 0,
            "count": self.count("categories", row),
        }
        up = {"up": self.link(f"products/categories/{row['parent']}")} if row["parent"] else {}
        return out | {"_links": self.links("products/categories", row["id"], None, **up)}

    def tag(self, row: dict) -> dict:
        out = {
            "id": row["id"],
            "name": row["name"],
            "slug": row["slug"],
            "description": "",
            "count": self.count("tags", row),
        }
        return out | {"_links": self.links("products/tags", row["id"])}

    def count(self, table: str, term: dict) -> int:
        return sum(term["id"] in product[table] for product in self.shop.rows["products"].values())

    def review(self, row: dict) -> dict:
        product = self.shop.rows["products"].get(row["product_id"])
        person = self.shop.customer_by_email(row["reviewer_email"])
        more = {"up": self.link(f"products/{row['product_id']}")}
        if person:
            site = self.base.removesuffix("/wc/v3")
            more["reviewer"] = [{"embeddable": True, "href": f"{site}/wp/v2/users/{person['id']}"}]
        return {
            "id": row["id"],
            **self.dates(row, "date_created"),
            "product_id": row["product_id"],
            "product_name": product["name"] if product else "",
            "product_permalink": f"{self.site()}/product/{product['slug']}/" if product else "",
            **{key: row[key] for key in ("status", "reviewer", "reviewer_email")},
            "review": f"<p>{row['review']}</p>\n",
            "rating": row["rating"],
            "verified": person is not None,
            "reviewer_avatar_urls": {str(size): avatar(row["reviewer_email"], size) for size in (24, 48, 96)},
            "_links": self.links("products/reviews", row["id"], None, **more),
        }

    def coupon(self, row: dict) -> dict:
        dates = self.dates(row, "date_created", "date_modified", "date_expires")
        return row | dates | {"_links": self.links("coupons", row["id"])}

    def webhook(self, row: dict) -> dict:
        hidden = ("secret", "failures")
        out = {key: value for key, value in row.items() if key not in hidden}
        return out | self.dates(row, "date_created", "date_modified") | {"_links": self.links("webhooks", row["id"])}

    def download(self, order: dict, product: dict, file: dict) -> dict:
        email, key = order["billing"]["email"], order["order_key"]
        return {
            "download_id": file["id"],
            "download_url": f"{self.site()}/?download_file={product['id']}&order={key}&email={email}&key={file['id']}",
            "product_id": product["id"],
            "product_name": product["name"],
            "download_name": file["name"],
            "order_id": order["id"],
            "order_key": key,
            "downloads_remaining": str(product["download_limit"]) if product["download_limit"] > 0 else "unlimited",
            "access_expires": "never",
            "access_expires_gmt": "never",
            "file": {"name": file["name"], "file": self.site() + file["file"]},
            "_links": {
                "collection": self.link(f"customers/{order['customer_id']}/downloads"),
                "product": self.link(f"products/{product['id']}"),
                "order": self.link(f"orders/{order['id']}"),
            },
        }
