"""What a programme owes, for a merchant's own reports."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.rest.keys import HasScope

from .. import credit, liability, programs, rests


class SumSerializer(serializers.Serializer):
    points = serializers.IntegerField()
    worth = serializers.CharField(allow_null=True, help_text=_("Money in `currency`; null if points have no value"))


class LiabilityMonthSerializer(serializers.Serializer):
    month = serializers.CharField(help_text=_("2026-11, by the store's clock"))
    earned = serializers.IntegerField()
    taken_back = serializers.IntegerField(help_text=_("By refunds and cancelled orders; zero or below"))
    redeemed = serializers.IntegerField(help_text=_("Less what was given back; mostly below zero"))
    expired = serializers.IntegerField()
    adjusted = serializers.IntegerField(help_text=_("By staff, by programs and by imports"))
    balance = serializers.IntegerField(help_text=_("Of all accounts at the end of the month"))


class ExpiringMonthSerializer(SumSerializer):
    month = serializers.CharField(help_text=_("2026-11, by the store's clock"))


class ExpectedUseSerializer(serializers.Serializer):
    share = serializers.CharField(help_text=_("From 0 to 1"))
    basis = serializers.ChoiceField(liability.Basis.choices)
    basis_points = serializers.IntegerField(help_text=_("So many points the share was taken from"))


class CreditSumSerializer(serializers.Serializer):
    amount = serializers.CharField()
    currency = serializers.CharField()


class LiabilitySerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    currency = serializers.CharField()
    point_value = serializers.CharField(help_text=_("What one point is worth"))
    holders = serializers.IntegerField(help_text=_("Customers with points"))
    outstanding = SumSerializer()
    spendable = SumSerializer()
    pending = SumSerializer()
    overdrawn = SumSerializer(help_text=_("Balances below zero"))
    not_taken = SumSerializer(help_text=_("Spent before the order was refunded, and not taken back; of all time"))
    expected = SumSerializer(help_text=_("Outstanding points that will be redeemed, at the expected use"))
    expected_use = ExpectedUseSerializer()
    months = LiabilityMonthSerializer(many=True, help_text=_("The last 24, the oldest first"))
    expiring = ExpiringMonthSerializer(many=True, help_text=_("This month and the next 11"))
    expires_later = SumSerializer()
    never_expires = SumSerializer(help_text=_("Without a day of expiry, pending points among them"))
    credit = CreditSumSerializer(many=True, help_text=_("Store credit outstanding; in none of the sums of points"))
    gift_cards = CreditSumSerializer(many=True, help_text=_("What gift cards can still be used for; in no other sum"))


EXAMPLE = {
    "at": "2026-11-22T09:00:00Z", "currency": "EUR", "point_value": "0.010000", "holders": 812,
    "outstanding": {"points": 412000, "worth": "4120.00"}, "spendable": {"points": 371500, "worth": "3715.00"},
    "pending": {"points": 40500, "worth": "405.00"}, "overdrawn": {"points": 0, "worth": "0.00"},
    "not_taken": {"points": 120, "worth": "1.20"},
    "expected": {"points": 296640, "worth": "2966.40"},
    "expected_use": {"share": "0.7200", "basis": "cohorts", "basis_points": 968000},
    "months": [{
        "month": "2026-11", "earned": 61000, "taken_back": -2100, "redeemed": -30500, "expired": -900, "adjusted": 250,
        "balance": 412000,
    }],
    "expiring": [{"month": "2026-11", "points": 12400, "worth": "124.00"}],
    "expires_later": {"points": 250000, "worth": "2500.00"}, "never_expires": {"points": 40500, "worth": "405.00"},
    "credit": [{"amount": "1250.00", "currency": "EUR"}], "gift_cards": [{"amount": "300.00", "currency": "EUR"}],
}  # fmt: skip


class LiabilityView(APIView):
    """What the programme owes its customers at this moment."""

    scope = "loyalty"
    permission_classes = [HasScope]

    @extend_schema(responses=LiabilitySerializer, examples=[OpenApiExample("A shop of two years", EXAMPLE)])
    def get(self, request):
        program = programs.of(request.auth.store)
        if program is None:
            raise NotFound(_("The store has no points programme."))
        return Response(_as_json(liability.report(program, timezone.now())))


def _as_json(found: liability.Liability) -> dict:
    def both(points):
        worth = found.program.worth(points)
        return {"points": points, "worth": None if worth is None else str(worth)}

    return {
        "at": found.at,
        "currency": found.program.store.currency,
        "point_value": str(found.program.point_value),
        "holders": found.holders,
        **{
            name: both(getattr(found, name))
            for name in ("outstanding", "spendable", "pending", "overdrawn", "not_taken", "expected")
        },
        "expected_use": {
            "share": f"{found.share:.4f}",
            "basis": found.basis.value,
            "basis_points": found.basis_points,
        },
        "months": [
            {
                "month": f"{row.month:%Y-%m}",
                "earned": row.earned,
                "taken_back": row.taken_back,
                "redeemed": row.redeemed,
                "expired": row.expired,
                "adjusted": row.adjusted,
                "balance": row.balance,
            }
            for row in found.months
        ],
        "expiring": [{"month": f"{row.month:%Y-%m}", **both(row.points)} for row in found.expiring],
        "expires_later": both(found.expires_later),
        "never_expires": both(found.never_expires),
        "credit": _sums(credit.outstanding(found.program.store)),
        "gift_cards": _sums(rests.outstanding(found.program.store, found.at)),
    }


def _sums(owed: list[credit.Money]) -> list[dict]:
    return [{"amount": f"{sum.amount:f}", "currency": sum.currency} for sum in owed]
