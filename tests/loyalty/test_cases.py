"""The table of cases (cases.txt): what orders earn, and keep after refunds."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.rules import Amounts, Line, LinePoints, Rate, Refunded, Rule, divide, reckon, worth

ZERO = Decimal(0)
TABLE = Path(__file__).with_name("cases.txt").read_text().splitlines()
CASES = [line for line in TABLE if line and not line.startswith("#")]


def rule_of(text):
    first, *words = text.split()
    values = dict(word.split("=") for word in words if "=" in word)
    return Rule(
        program=1,
        rate=Decimal(first),
        rounding=next((word for word in words if word in ("up", "nearest")), "down"),
        cap=int(values["cap"]) if "cap" in values else None,
        minimum=Decimal(values.get("min", 0)),
        **{name: name in words for name in ("taxes", "shipping", "fees", "by_line")},
    )


def money_of(text):
    """`100+18`: net and tax."""
    net, tax = re.fullmatch(r"(-?[\d.]+)([+-][\d.]+)?", text).groups()
    return Decimal(net), Decimal(tax or 0)


def order_of(text, rule):
    lines, rates, rest = [], {}, {"ship": (ZERO, ZERO), "fees": (ZERO, ZERO), "credit": (ZERO, ZERO)}
    for word in text.split():
        name, _, amount = word.rpartition("=")
        if name:
            rest[name] = money_of(amount)
            continue
        amount, _, multiplier = amount.partition("*")
        amount, _, rate = amount.partition("@")
        key = chr(ord("a") + len(lines))
        lines.append(Line(key, *money_of(amount)))
        by = Decimal(rate) if rate else rule.rate
        rates[key] = Rate(by, Decimal(multiplier or 1), excluded="" if by else "rule")
    (shipping, shipping_tax), (fees, fees_tax), (credit, _tax) = rest.values()
    taxes = sum((line.tax for line in lines), shipping_tax + fees_tax)
    total = sum((line.total for line in lines), taxes + shipping + fees) - credit
    return Amounts(total, taxes, shipping, shipping_tax, fees, fees_tax), lines, rates


def refund_of(text):
    amount, *named = text.split()
    lines = {key: money_of(money) for key, money in (word.split(":") for word in named)}
    goods, tax = (sum((pair[place] for pair in lines.values()), ZERO) for place in (0, 1))
    return Refunded(Decimal(amount), goods if lines else None, tax, lines)


@pytest.mark.parametrize("case", CASES)
def test_an_order_earns_what_was_worked_out_by_hand(case):
    said, order, refunds, points = case.split("|")
    rule = rule_of(said)
    amounts, lines, rates = order_of(order, rule)
    refunds = [refund_of(refund) for refund in refunds.split(";") if refund.strip()]

    found = worth(rule, amounts, divide(rule, amounts, lines), rates, refunds)

    expected = [int(number) for number in points.split()]
    # A line that costs nothing is no part; it stands in the table for the reader.
    earned = {part.line: part.points for part in found}
    shown = [earned.get(line.key, 0) for line in lines if line.total >= 0]
    shown += [earned[key] for key in ("shipping", "fees") if key in earned]
    assert sum(shown) == sum(expected)
    if len(expected) > 1:
        assert shown == expected
    # What is kept is enough to work it out again.
    assert reckon(Rule.load(rule.dump()), [LinePoints.load(part.dump()) for part in found]) == found


def test_there_are_two_hundred_cases():
    assert len(CASES) >= 200
    assert len(set(CASES)) == len(CASES)


amount = st.decimals(0, 3000, places=2)


@given(
    lines=st.lists(
        st.tuples(amount, st.sampled_from([0, 5, 18]), st.sampled_from(["0", "0.5", "1", "7"])), min_size=1, max_size=4
    ),
    shipping=amount,
    cuts=st.lists(st.lists(st.integers(0, 100), min_size=4, max_size=4), max_size=3),
    multiplier=st.sampled_from(["1", "1.5", "3"]),
    terms=st.fixed_dictionaries(
        {name: st.booleans() for name in ("shipping", "taxes", "by_line")}
        | {"rounding": st.sampled_from(["down", "nearest", "up"]), "cap": st.none() | st.integers(0, 500)}
    ),
)
def test_refunds_of_all_lines_bit_by_bit_take_back_each_lines_points_and_no_others(
    lines, shipping, cuts, multiplier, terms
):
    rule = Rule(program=1, rate=Decimal("0.37"), **terms)
    keys = [str(place) for place in range(len(lines))]
    taxed = [
        Line(key, net, (net * tax / 100).quantize(Decimal("0.01")))
        for key, (net, tax, _rate) in zip(keys, lines, strict=True)
    ]
    rates = {
        key: Rate(Decimal(rate), Decimal(multiplier), excluded="" if Decimal(rate) else "rule")
        for key, (_net, _tax, rate) in zip(keys, lines, strict=True)
    }
    tax = sum((line.tax for line in taxed), ZERO)
    amounts = Amounts(sum((line.total for line in taxed), tax + shipping), tax, shipping)
    parts = divide(rule, amounts, taxed)
    before = {part.line: part.points for part in worth(rule, amounts, parts, rates)}
    earned, refunds = sum(before.values()), []
    left = {line.key: (line.total, line.tax) for line in taxed}
    for cut in [*cuts, [100] * 4]:
        back = {
            key: tuple((money * share / 100).quantize(Decimal("0.01")) for money in left[key])
            for key, share in zip(keys, cut, strict=False)
        }
        left = {key: tuple(a - b for a, b in zip(left[key], back[key], strict=True)) for key in keys}
        goods, taxes = (sum((pair[place] for pair in back.values()), ZERO) for place in (0, 1))
        refunds.append(Refunded(goods + taxes, goods, taxes, back))
        now = {part.line: part.points for part in worth(rule, amounts, parts, rates, refunds)}
        for key, points in now.items():
            assert 0 <= points <= before[key]
            if key in back and not any(back[key]):
                assert points == before[key]
        before = now
    assert sum(points for key, points in before.items() if key in keys) == 0
    refunds.append(Refunded(shipping))
    final = worth(rule, amounts, parts, rates, refunds)
    assert sum(part.points for part in final) == 0
    assert sum(part.earned for part in final) == earned
