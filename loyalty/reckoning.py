"""What orders are worth by a store's rules. Reads all that decides in a constant number of statements, and then asks nothing more."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from babel.numbers import get_currency_precision
from django.db.models import Prefetch, Q
from django.utils import timezone

from crm.orders.models import LineItem, Order, Product, Refund, RefundLine
from crm.stores.models import Store

from .models import LedgerEntry
from .rulebook import Of, Rulebook, Sold
from .rules import ZERO, Amounts, Line, LinePoints, Refunded, Rule, divide, fees_of, worth

# The customer has the money back, or never paid it. A status that a shop made up says neither.
VOID = {"cancelled", "refunded", "failed"}
# How WooCommerce's own gift cards and the best known plug-ins' say what they are.
GIFT_CARDS = Q(type__icontains="gift-card") | Q(type__icontains="gift_card")
GIFT_CARDS |= Q(meta_data__contains=[{"key": "_gift_card", "value": "yes"}])
LINE = ["order", "woo_id", "name", "product", "quantity", "subtotal", "subtotal_tax", "total", "total_tax"]
# So much of a name is kept with the points.
NAME = 80
PRODUCT = ["product__parent", "product__regular_price", "product__sale_price"]


@dataclass(frozen=True)
class Worth:
    """What an order is worth: by the programme's `rule`, in `lines`. `names` of lines and campaigns (`campaign:7`) let anyone say it."""

    rule: Rule
    lines: list[LinePoints]
    names: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int:
        return sum(line.points for line in self.lines)

    @property
    def earned(self) -> int:
        """Before any refund."""
        return sum(line.earned for line in self.lines)

    @property
    def base(self) -> Decimal:
        return self._sum("base")

    @property
    def back(self) -> Decimal:
        return self._sum("back")

    def _sum(self, name):
        # A bonus has the money of its parts once more.
        return sum((getattr(line, name) for line in self.lines if not line.bonus), ZERO)


def orders_of(store: Store, order_ids: Iterable[int]) -> list[Order]:
    """Orders with what decides over points, without the addresses and meta data, which weigh more than all the rest."""
    lines = LineItem.objects.select_related("product").only(*LINE, *PRODUCT).order_by("pk")
    orders = Order.objects.for_store(store).filter(pk__in=order_ids).select_related("customer")
    return list(
        orders.prefetch_related(Prefetch("line_items", lines))
        .only(
            "woo_id", "number", "status", "deleted_at", "currency", "prices_include_tax", "total", "total_tax", "shipping_total",
            "shipping_tax", "fee_lines", "date_created_gmt", "customer__joined_to", "store",
        )
        .order_by("pk")
    )  # fmt: skip


class Reckoning:
    """Some orders of a store, their refunds and the rules for them.

    Each order goes by the rules of the moment when it was placed, or by those of `at`. `book` are rules that were loaded before,
    `and_book` others that `worth` will be asked by, too.
    """

    def __init__(
        self,
        store: Store,
        order_ids: Iterable[int],
        *,
        at: datetime | None = None,
        book: Rulebook | None = None,
        and_book: Rulebook | None = None,
    ):
        self.at = at
        self.orders = orders_of(store, order_ids)
        self.refunds = refunds_of(self.orders)
        self.book = book or Rulebook.load(store, at or min(map(placed, self.orders), default=timezone.now()))
        self._sold = _Goods(self.orders, [self.book, and_book or self.book])

    def worth(
        self,
        order: Order,
        *,
        tier: str = "",
        room: int | None = None,
        kept: Worth | None = None,
        book: Rulebook | None = None,
    ) -> Worth:
        """The points that each part of an order should have as it stands.

        `kept` is what the order earned by first: its rule goes on to count, and that of each of its parts; a line that was taken out of
        the order is not among the parts, and should have nothing. `room` is how many points the customer may still earn for an order.
        """
        amounts = amounts_of(order)
        lines = [Line(str(line.woo_id), line.total, line.total_tax) for line in order.line_items.all()]
        book = book or self.book
        rule = kept.rule if kept else book.program(self.at or placed(order))
        parts = divide(rule, amounts, lines)
        rates = {line.line: line.by for line in kept.lines} if kept else {}
        bonuses = [bonus for line in kept.lines if (bonus := line.as_bonus)] if kept else []
        # What was posted before entries kept their parts goes by its rule alone.
        if not (kept and not kept.lines) and not rates.keys() >= {part.key for part in parts}:
            terms = book.terms(parts, self._sold.of(order), placed(order), at=self.at, tier=tier)
            rates = terms.rates | rates
            bonuses = bonuses if kept else terms.bonuses
        if room is not None:
            rule = replace(rule, cap=room if rule.cap is None else min(rule.cap, room))
        void = order.status in VOID or order.deleted_at is not None
        found = worth(rule, amounts, parts, rates, self.refunds[order.pk], bonuses=bonuses, void=void)
        return Worth(rule, found, self._names(order, found, book, kept))

    def _names(self, order, lines, book, kept) -> dict[str, str]:
        names = {str(line.woo_id): line.name[:NAME] for line in order.line_items.all()}
        campaigns = {line.campaign for line in lines if line.campaign}
        names |= {f"campaign:{v.pk}": v.content["name"] for v in book.versions[Of.CAMPAIGN] if v.pk in campaigns}
        return (kept.names if kept else {}) | names


def kept_on(entries: Iterable[LedgerEntry]) -> Worth | None:
    """What an order first earned by, of its entries in their order; None if it never earned."""
    rules = [entry.rule for entry in entries if "rate" in entry.rule]
    if not rules:
        return None
    lines: dict[str, LinePoints] = {}
    names: dict[str, str] = {}
    for kept in rules:
        names |= kept.get("names", {})
        for line in map(LinePoints.load, kept.get("lines", ())):
            if line.excluded != "minimum":
                lines.setdefault(line.line, line)
    return Worth(Rule.load(rules[0]), list(lines.values()), names)


def amounts_of(order: Order) -> Amounts:
    fees, fees_tax = fees_of(order.fee_lines)
    return Amounts(order.total, order.total_tax, order.shipping_total, order.shipping_tax, fees, fees_tax)


def owner_of(order: Order) -> int | None:
    """The key of the customer who gets an order's points: a joined guest's go to the registered customer."""
    customer = order.customer
    return customer.person_id if customer else None


def placed(order: Order) -> datetime:
    """When the customer ordered: what was promised in the shop then is what counts."""
    return order.date_created_gmt or timezone.now()


def refunds_of(orders: Iterable[Order]) -> dict[int, list[Refunded]]:
    """The refunds of each order, by the order's primary key."""
    refunds: dict[int, list[Refunded]] = defaultdict(list)
    lines = RefundLine.objects.select_related("line_item").only("refund", "total", "total_tax", "line_item__woo_id")
    rows = Refund.objects.filter(order__in=orders).only("order", "amount").order_by("pk")
    for refund in rows.prefetch_related(Prefetch("lines", lines.order_by("pk"))):
        refunds[refund.order_id].append(refunded(refund))
    return refunds


def refunded(refund: Refund) -> Refunded:
    lines = list(refund.lines.all())
    if not lines:
        return Refunded(refund.amount)
    known: dict[str, tuple[Decimal, Decimal]] = {}
    for line in lines:
        if line.line_item:
            key = str(line.line_item.woo_id)
            total, tax = known.get(key, (ZERO, ZERO))
            known[key] = (total + line.total, tax + line.total_tax)
    goods, tax = sum((line.total for line in lines), ZERO), sum((line.total_tax for line in lines), ZERO)
    return Refunded(refund.amount, goods, tax, known)


class _Goods:
    """What the lines of some orders were: which product, in which categories, reduced, a gift card."""

    def __init__(self, orders: list[Order], books: list[Rulebook]):
        self.products = {
            line.product.pk: line.product for order in orders for line in order.line_items.all() if line.product
        }
        # A variation is in its product's categories.
        keys = {product.parent_id or pk for pk, product in self.products.items()}
        self.categories = categories_of(keys) if keys and any(book.needs_categories for book in books) else {}
        gift_cards = Product.objects.filter(GIFT_CARDS, pk__in=keys | self.products.keys())
        excluded = keys and any(book.excludes_gift_cards for book in books)
        self.gift_cards = set(gift_cards.values_list("pk", flat=True)) if excluded else set()

    def of(self, order: Order) -> dict[str, Sold]:
        return {str(line.woo_id): self._sold(order, line) for line in order.line_items.all()}

    def _sold(self, order, line) -> Sold:
        if line.product is None:
            return Sold()
        return _sold_as(line.product, self.categories, self.gift_cards, is_reduced(order, line))


def sold_now(products: Iterable[Product]) -> dict[int, Sold]:
    """What these products are as they stand in the shop today, by their keys. Two queries."""
    products = list(products)
    keys = {product.parent_id or product.pk for product in products}
    categories = categories_of(keys)
    gift_cards = Product.objects.filter(GIFT_CARDS, pk__in=keys | {product.pk for product in products})
    found = set(gift_cards.values_list("pk", flat=True))
    return {
        # A sale that is planned for later has its price already.
        product.pk: _sold_as(
            product, categories, found, product.sale_price is not None and product.sale_price == product.price
        )
        for product in products
    }


def _sold_as(product: Product, categories: Mapping[int, set[int]], gift_cards: set[int], on_sale: bool) -> Sold:
    return Sold(
        product=product.pk,
        parent=product.parent_id,
        categories=tuple(sorted(categories.get(product.parent_id or product.pk, ()))),
        on_sale=on_sale,
        gift_card=not gift_cards.isdisjoint({product.pk, product.parent_id}),
    )


def categories_of(product_ids: Iterable[int]) -> Mapping[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    rows = Product.categories.through.objects.filter(product_id__in=product_ids)
    for product_id, category_id in rows.values_list("product_id", "category_id"):
        found[product_id].add(category_id)
    return found


def is_reduced(order: Order, line: LineItem) -> bool:
    """Whether a line was sold for less than the product's regular price, whatever coupons took off afterwards."""
    product = line.product
    if product is None or product.regular_price is None or line.quantity <= 0:
        return False
    if order.prices_include_tax and not line.subtotal_tax:
        # Sold without the tax that its price has in it: the two can't be compared.
        return product.sale_price is not None
    paid = (line.subtotal + (line.subtotal_tax if order.prices_include_tax else 0)) / line.quantity
    # The shop rounds net prices; the least coin is none of the merchant's reductions.
    return product.regular_price - paid > Decimal(1).scaleb(-get_currency_precision(order.currency))
