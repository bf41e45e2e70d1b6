"""The demo shop's points programme: a few of each thing that a merchant can set up, so that there is something to look at."""

from decimal import Decimal

from django.utils import timezone

from crm.orders.models import Order, Product
from crm.stores.models import Store
from loyalty import credit, ledger, programs, tiers
from loyalty.models import Occasion, Program, ReferralTerms, Reward, Tier

# For a shop in rupees: a point is ₹0.10. Visitors spend at once what they order.
TERMS = {
    "name": "Masala Points", "expiry": Program.Expiry.LOT, "expiry_months": 24, "adjust_limit": 5000, "pending_days": 0,
    "tier_window": Program.Window.ROLLING,
}  # fmt: skip
TIERS = {
    "cardamom": {"name": "Cardamom", "threshold": 10_000, "multiplier": Decimal("1.25"), "colour": "#4d7c0f",
                 "perks": "Free delivery in December"},
    "saffron": {"name": "Saffron", "threshold": 60_000, "multiplier": Decimal("1.5"), "colour": "#b45309",
                "perks": "Free delivery in December\nNew blends a week before the others"},
}  # fmt: skip
OCCASIONS = {"sign_up": 50, "review": 40, "survey": 10, "birthday": 150, "profile": 25, "social_share": 10}
REWARDS = [
    {"kind": "money", "points": 500, "amount": 50},
    {"kind": "money", "points": 1900, "amount": 200, "minimum_order": 800},
    {"kind": "exchange", "points": 100, "amount": 10, "fewest": 500, "most": 20_000, "step": 100},
    {"kind": "percent", "points": 1500, "amount": 10, "per_year": 2},
    {"kind": "shipping", "points": 700},
    {"kind": "store_credit", "points": 1000, "amount": 100},
    {"kind": "gift_card", "points": 2500, "amount": 250, "description": "For somebody who drinks tea, too."},
    {"kind": "donation", "points": 300, "amount": 30, "name": "A meal for a schoolchild",
     "description": "We give ₹30 to a school kitchen in Pune."},
    {"kind": "access", "points": 2500, "name": "The winter box, a week early", "tier": "saffron", "stock": 25},
]  # fmt: skip


def open_for(store: Store) -> None:
    """Set up the store's programme with levels, rewards, invitations and other ways to earn."""
    program = programs.open_program(store)
    Program.objects.filter(pk=program.pk).update(**TERMS)
    levels = {key: Tier.objects.create(program=program, key=key, **tier) for key, tier in TIERS.items()}
    tiers.settle_campaigns(program)
    Occasion.objects.bulk_create(Occasion(store=store, kind=kind, points=points) for kind, points in OCCASIONS.items())
    ReferralTerms.objects.create(program=program, member_points=250, friend_points=100, minimum_spend=500)
    for place, reward in enumerate(REWARDS):
        level = levels.get(reward.get("tier", ""))
        Reward.objects.create(store=store, position=place, **(reward | {"tier": level}))
    gift = (
        Product.objects.filter(store=store, parent=None, type="simple", status="publish", price__gt=100)
        .order_by("price")
        .first()
    )
    if gift:
        Reward.objects.create(store=store, position=len(REWARDS), kind="product", product=gift, points=1200)


def give_credit(store: Store) -> None:
    """Something to pay with for those who ordered last."""
    newest = Order.objects.for_store(store).existing().newest_first().exclude(customer__woo_id=None)
    for order in newest.select_related("customer")[:3]:
        account = credit.account_of(store, order.customer)
        ledger.post(
            account, ledger.Kind.ADJUST, 25_000, "demo", note="A cup that came broken", rule={"unit": account.unit}
        )


def place_members(store: Store) -> None:
    """Put who has spent enough in the past year on their level, without writing to them all."""
    tiers.nightly(store, timezone.now())
