from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LoyaltyConfig(AppConfig):
    name = "loyalty"
    verbose_name = _("Loyalty")

    def ready(self):
        from crm.messaging import context, kinds
        from crm.orders import given_back, panels
        from crm.orders.erasing import eraser
        from crm.orders.exporting import left_out, part
        from crm.portal import home, losses, navigation, sections
        from crm.woocommerce import push
        from crm.work import schedules

        from . import code_mails, corrections, credit, erasing, exporting, gifts, paid, redemptions, statements

        eraser(erasing.log, 30)
        eraser(erasing.members, 30)
        eraser(erasing.imports, 30)
        eraser(erasing.reasons, 30)
        eraser(erasing.redemptions, 30)
        eraser(erasing.gifts, 30)
        told = [f"loyalty.{name}" for name in ("Member", "Birthday", "TierStanding", "TierChange", "Freeze")]
        part("membership", exporting.membership, 70, *told)
        part("balances", exporting.balances, 71, "loyalty.Account")
        part("what_came_and_when_it_ends", exporting.lots, 71, "loyalty.Lot")
        part("points_and_credit", exporting.entries, 72, "loyalty.LedgerEntry")
        part("rewards_and_codes", exporting.codes, 73, "loyalty.Redemption")
        part("gift_cards", exporting.gifts, 74, "loyalty.Gift")
        part("friends", exporting.friends, 75, "loyalty.Referral", "loyalty.ReferralCode", "loyalty.Sighting")
        part("points_from_elsewhere", exporting.imported, 76, "loyalty.ImportRow")
        left_out("A file that was uploaded, until it is imported.", "loyalty.BalanceImport")
        left_out("Which points paid for which movement follows from both.", "loyalty.Allocation")
        left_out("What staff ask for is theirs until it is posted; then it is a movement.", "loyalty.Adjustment")
        left_out("A link that was mailed, for a day.", "loyalty.JoinLink")
        navigation.add(_("Points"), "loyalty-points", 20)
        navigation.add(_("Rewards"), "loyalty-rewards", 21)
        navigation.add(_("Store credit"), "loyalty-credit", 22, is_for=statements.has_credit)
        losses.loss(statements.losses, 20)
        home.card("loyalty/home_card.html", statements.home_card, 20)
        home.card("loyalty/credit_card.html", statements.credit_card, 21)
        sections.order_section("loyalty/order_section.html", statements.order_section, 40)
        context.provide("loyalty", statements.for_mail)
        panels.panel("loyalty/panel.html", statements.for_staff, 20)
        panels.panel("loyalty/credit_panel.html", statements.credit_for_staff, 21)
        given_back.otherwise(paid.given)
        # News of an account and no order: what becomes of an order does not matter to it.
        about_points = {"purpose": kinds.Purpose.LOYALTY, "not_for_statuses": ()}
        for name, template, label in [
            ("birthday", "birthday", _("Birthday gift")),
            ("points-expiring", "expiring", _("Points will expire")),
            ("tier-reached", "tier_reached", _("A tier was reached")),
            ("tier-ending", "tier_ending", _("A tier will end")),
            ("referral-rewarded", "referral_rewarded", _("Reward for an invited friend")),
            ("referral-welcome", "referral_welcome", _("Welcome gift for an invited friend")),
            ("referral-declined", "referral_declined", _("An invited friend does not count")),
        ]:
            kinds.register(name, template=f"loyalty/mail/{template}", label=label, **about_points)
        schedules.every(24 * 60, "tiers and expiry of points", "loyalty.tasks.each_night")
        # What somebody has paid for with points: nobody can have it stopped, and it is never too late for it.
        owed = {"purpose": kinds.Purpose.SERVICE, "not_for_statuses": (), "useful_for": None}
        for name, template, label in [
            (code_mails.READY_MAIL, "reward_code", _("Code of a reward")),
            (code_mails.FAILED_MAIL, "reward_failed", _("A reward that the shop could not make")),
            (code_mails.RETURNED_MAIL, "reward_returned", _("Points of a reward given back")),
            (gifts.READY_MAIL, "gift_ready", _("A gift card is ready, to the giver")),
            (gifts.UNDELIVERED_MAIL, "gift_undelivered", _("A gift card that could not be delivered, to the giver")),
            (corrections.MAIL, "points_taken", _("Points taken back")),
            (credit.GIVEN_MAIL, "credit_given", _("Store credit given")),
            ("credit-code", "credit_code", _("Code of store credit")),
            ("credit-failed", "credit_failed", _("A code of store credit that the shop could not make")),
            ("credit-returned", "credit_returned", _("Store credit given back")),
        ]:
            kinds.register(name, template=f"loyalty/mail/{template}", label=label, **owed)
        to_others = owed | {"purpose": kinds.Purpose.GIFT, "is_secret": True}
        for name, template, label in [
            (gifts.CARD_MAIL, "gift_card", _("Gift card for somebody")),
            (gifts.REST_MAIL, "gift_rest", _("Rest of a gift card")),
        ]:
            kinds.register(name, template=f"loyalty/mail/{template}", label=label, **to_others)
        push.on_confirmed("coupon", redemptions.confirmed)
        push.on_refused("coupon", redemptions.refused)
        push.on_withdrawing("coupon", redemptions.withdrawing)
        push.on_confirmed("coupon_removal", redemptions.removed)
        push.on_refused("coupon_removal", redemptions.not_removed)
        schedules.every(60, "gifts, and points of those who left", "loyalty.tasks.each_hour")
        schedules.every(15, "release pending points", "loyalty.tasks.release")
        schedules.every(24 * 60, "prove the points ledger", "loyalty.tasks.prove")
