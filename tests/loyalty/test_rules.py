from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.rules import Amounts, Line, LinePoints, Refunded, Rule, counted, divide, fees_of, plain, worth

# 1,000 of goods with 180 tax, 50 shipping with 9 tax, a fee of 20 with 4 tax.
ORDER = Amounts(
    total=Decimal("1263.00"),
    total_tax=Decimal("193.00"),
    shipping=Decimal("50.00"),
    shipping_tax=Decimal("9.00"),
    fees=Decimal("20.00"),
    fees_tax=Decimal("4.00"),
)


def rule(**changes):
    return Rule(**{"program": 1, "rate": Decimal(1), "rounding": "down"} | changes)


def lines_of(rule, amounts, refunds=(), lines=(), rates=None, **more):
    return worth(rule, amounts, divide(rule, amounts, lines), rates or {}, refunds, **more)


def points(lines):
    return sum(line.points for line in lines)


@pytest.mark.parametrize(
    ("rate", "rounding", "base", "points"),
    [
        ("1", "down", "129.99", 129),
        ("1", "nearest", "129.50", 130),
        ("1", "nearest", "129.49", 129),
        ("1", "up", "129.01", 130),
        ("1", "up", "129.00", 129),
        ("0.1", "down", "1299.00", 129),
        ("0.1", "down", "9.99", 0),
        ("0.01", "nearest", "50", 1),
        ("0.333333", "nearest", "3", 1),
        ("5", "down", "0.19", 0),
        ("2.5", "up", "0.001", 1),
        ("1", "up", "0", 0),
        ("1", "down", "1234567890123456789012345678901234567890.12", 1234567890123456789012345678901234567890),
    ],
)
def test_points_are_base_times_rate_rounded_once(rate, rounding, base, points):
    assert rule(rate=Decimal(rate), rounding=rounding).points(Decimal(base)) == points


@pytest.mark.parametrize(
    ("counts", "base"),
    [
        ({}, "1000"),
        ({"taxes": True}, "1180"),
        ({"shipping": True}, "1050"),
        ({"shipping": True, "taxes": True}, "1239"),
        ({"fees": True}, "1020"),
        ({"shipping": True, "taxes": True, "fees": True}, "1263"),
    ],
)
def test_goods_count_and_what_else_the_programme_says(counts, base):
    assert counted(rule(**counts), ORDER) == Decimal(base)


def test_an_order_paid_by_more_than_its_goods_counts_nothing():
    assert counted(rule(), Amounts(total=Decimal("5"), total_tax=Decimal("1"), shipping=Decimal("9"))) == 0


@pytest.mark.parametrize(
    ("lines", "fees"),
    [
        ([], ("0", "0")),
        ([{"total": "20.00", "total_tax": "3.60"}, {"total": "5", "total_tax": "0"}], ("25.00", "3.60")),
        # A discount that a plug-in wrote as a fee lowers the goods.
        ([{"total": "-10.00", "total_tax": "-1.80"}], ("0", "0")),
        ([{"total": "", "total_tax": None}, {}, {"total": "NaN"}, {"total": "ten"}], ("0", "0")),
    ],
)
def test_fees_are_those_that_cost_something(lines, fees):
    assert fees_of(lines) == tuple(map(Decimal, fees))


@pytest.mark.parametrize(
    ("counts", "refunds", "back"),
    [
        ({}, [], "0"),
        # A line decides, with or without its tax.
        ({}, [Refunded(Decimal("354"), Decimal("300"), Decimal("54"))], "300"),
        ({"taxes": True}, [Refunded(Decimal("354"), Decimal("300"), Decimal("54"))], "354"),
        # What is paid beyond the lines is shipping and fees first.
        ({}, [Refunded(Decimal("413"), Decimal("300"), Decimal("54"))], "300"),
        ({"shipping": True}, [Refunded(Decimal("437"), Decimal("300"), Decimal("54"))], "350"),
        # Beyond everything else it is goods.
        ({}, [Refunded(Decimal("496"), Decimal("300"), Decimal("54"))], "350"),
        # Less money than the line is worth: the money decides.
        ({}, [Refunded(Decimal("177"), Decimal("300"), Decimal("54"))], "150"),
        # A mere amount is a share of all that was charged.
        ({}, [Refunded(Decimal("126.30"))], "100"),
        ({"shipping": True, "taxes": True, "fees": True}, [Refunded(Decimal("126.30"))], "126.30"),
        # All of the money is all of the points, however it is named.
        ({}, [Refunded(Decimal("1263"))], "1000"),
        ({}, [Refunded(Decimal("1180"), Decimal("1000"), Decimal("180")), Refunded(Decimal("83"))], "1000"),
        ({}, [Refunded(Decimal("5000"), Decimal("5000"), Decimal("0"))], "1000"),
        # A refund of nothing, and one whose line is free.
        ({}, [Refunded(Decimal("0"), Decimal("0"), Decimal("0"))], "0"),
    ],
)
def test_a_refund_gives_back_what_counted(counts, refunds, back):
    assert sum(line.back for line in lines_of(rule(**counts), ORDER, refunds)) == Decimal(back)


money = st.decimals(0, 5000, places=2)


@given(
    goods=money,
    shipping=money,
    tax_rate=st.sampled_from([0, 5, 18]),
    cuts=st.lists(st.integers(0, 100), max_size=4),
    rate=st.decimals("0.001", 10, places=3),
    rounding=st.sampled_from(["down", "nearest", "up"]),
    counts=st.fixed_dictionaries({name: st.booleans() for name in ("shipping", "taxes", "fees")}),
    by_lines=st.booleans(),
)
def test_partial_refunds_of_everything_take_back_exactly_what_was_earned(
    goods, shipping, tax_rate, cuts, rate, rounding, counts, by_lines
):
    goods_tax, shipping_tax = (
        (goods * tax_rate / 100).quantize(Decimal("0.01")),
        (shipping * tax_rate / 100).quantize(Decimal("0.01")),
    )
    total = goods + goods_tax + shipping + shipping_tax
    order = Amounts(total, goods_tax + shipping_tax, shipping, shipping_tax)
    a_rule = rule(rate=rate, rounding=rounding, **counts)
    earned = left = points(lines_of(a_rule, order))
    refunds, taken, unpaid = [], [], [goods, goods_tax, shipping + shipping_tax]
    for cut in [*cuts, 100]:
        goods_back, tax_back, rest = ((part * cut / 100).quantize(Decimal("0.01")) for part in unpaid)
        unpaid = [part - back for part, back in zip(unpaid, (goods_back, tax_back, rest), strict=True)]
        amount = goods_back + tax_back + rest
        refunds.append(Refunded(amount, goods_back, tax_back) if by_lines else Refunded(amount))
        now = points(lines_of(a_rule, order, refunds))
        taken.append(left - now)
        left = now

    assert left == 0
    assert sum(taken) == earned
    assert all(points >= 0 for points in taken)


def test_a_rule_is_kept_and_read_back_as_it_was():
    kept = rule(rate=Decimal("0.100000"), rounding="up", taxes=True)

    assert Rule.load(kept.dump() | {"why": "paid", "base": "12"}) == kept
    assert kept.dump()["rate"] == "0.1"


@pytest.mark.parametrize(("number", "text"), [("12.50", "12.5"), ("100", "100"), ("1E+3", "1000"), ("0.00", "0")])
def test_numbers_are_kept_plain(number, text):
    assert plain(Decimal(number)) == text


def test_a_refund_takes_the_points_of_its_own_lines_alone():
    order = Amounts(total=Decimal("99.99"))
    lines = [Line(key, Decimal("33.33")) for key in ("1", "2", "3")]
    refund = Refunded(Decimal("33.33"), Decimal("33.33"), lines={"2": (Decimal("33.33"), Decimal(0))})

    assert [line.points for line in lines_of(rule(), order, lines=lines)] == [33, 33, 33]
    assert [line.points for line in lines_of(rule(), order, [refund], lines)] == [33, 0, 33]


def test_what_an_order_earns_is_dealt_out_to_its_lines_whole():
    lines = [Line("1", Decimal("0.50")), Line("2", Decimal("0.70")), Line("3", Decimal("0.90"))]

    assert [line.points for line in lines_of(rule(), Amounts(Decimal("2.10")), lines=lines)] == [0, 1, 1]
    assert [line.points for line in lines_of(rule(by_line=True), Amounts(Decimal("2.10")), lines=lines)] == [0, 0, 0]


def test_a_discount_line_lowers_every_other_line():
    lines = [Line("1", Decimal("60")), Line("2", Decimal("40")), Line("discount", Decimal("-20"))]

    found = lines_of(rule(), Amounts(Decimal("80")), lines=lines)

    assert [(line.line, line.base, line.points) for line in found] == [("1", 48, 48), ("2", 32, 32)]


def test_points_of_a_line_are_kept_and_read_back_as_they_were():
    refund = Refunded(Decimal("50"))
    for line in lines_of(rule(rate=Decimal("0.1"), shipping=True), ORDER, [refund], [Line("7", Decimal("1000"))]):
        assert LinePoints.load(line.dump()) == line
