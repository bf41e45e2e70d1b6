"""Which rule wins for a product, in words for staff."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.orders.models import Category, Product
from crm.stores.formats import money, number

from . import explaining
from .models import Campaign
from .reckoning import sold_now
from .rulebook import CATEGORY, PRODUCT, PROGRAM, VARIATION, Rulebook, Step
from .rules import ZERO, Amounts, Part, worth

LEVELS = {
    VARIATION: gettext_lazy("Variation"),
    PRODUCT: gettext_lazy("Product"),
    CATEGORY: gettext_lazy("Category"),
    PROGRAM: gettext_lazy("Programme"),
}
ONE_PIECE = "1"


@dataclass
class Fitting:
    """A rule that fits: where it stands in the order of precedence, what it is for and what it earns."""

    level: str
    thing: str
    earns: str
    object_id: int | None


@dataclass
class Answer:
    """Rules that fit a product, the winner first; campaigns that run; why it earns nothing, if so; what one piece earns."""

    product: Product
    rules: list[Fitting]
    campaigns: list[str]
    excluded: str
    example: str


def explain(product: Product, at: datetime) -> Answer:
    """For somebody in no tier who orders at this moment."""
    store = product.store
    book = Rulebook.load(store, at)
    sold = sold_now([product])[product.pk]
    price = product.price or ZERO
    parts = [Part(ONE_PIECE, price)]
    terms = book.terms(parts, {ONE_PIECE: sold}, at)
    points = sum(line.points for line in worth(terms.rule, Amounts(price), parts, terms.rates, bonuses=terms.bonuses))
    names = dict(Category.objects.for_store(store).filter(pk__in=book.above(sold.categories)).values_list("pk", "name"))
    running = [version.object_id for version in book.campaigns(at) if book.fits(version, sold)]
    return Answer(
        product,
        [_fitting(step, product, names, book) for step in book.steps(sold, at)],
        [
            f"{c}: {explaining.gift(c.multiplier, c.bonus)}"
            for c in Campaign.objects.for_store(store).filter(pk__in=running)
        ],
        str(explaining.EXCLUDED.get(terms.rates[ONE_PIECE].excluded, "")),
        _("One piece for %(price)s earns %(points)s points.")
        % {"price": money(price, store.currency), "points": number(points)},
    )


def _fitting(step: Step, product, names, book) -> Fitting:
    thing = {
        VARIATION: product.name,
        PRODUCT: (product.parent or product).name,
        CATEGORY: names.get(book.category_of(step.rule), ""),
        PROGRAM: _("everything else"),
    }[step.level]
    earns = explaining.rate(step.rate, product.store.currency) if step.rate else _("nothing")
    return Fitting(str(LEVELS[step.level]), thing, earns, step.object_id)
