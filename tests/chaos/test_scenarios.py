"""Each scenario, with a bug planted that it must find. That they hold without one is what `manage.py chaos --short` in CI shows."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from crm.woocommerce import answers, identity, rereads, sync, webhook_care
from crm.woocommerce.saving import page
from crm.woocommerce.walking import Walk
from postpurchase.chaos import hearing, reading
from postpurchase.chaos import identity as identity_scenario

pytestmark = pytest.mark.timeout(600)


def broken(figures):
    return [figure.name for figure in figures if not figure.met]


def forget_the_second_of_the_cursor(patch):
    patch.setattr(sync, "OVERLAP", timedelta(0))


def throw_poison_away(patch):
    patch.setattr(page, "keep_aside", lambda *args, **kwargs: None)


def go_by_the_date_of_the_answers(patch):
    patch.setattr(Walk, "_read_until", lambda walk, clock: clock)


def believe_dates_more_than_answers(patch):
    patch.setattr(answers, "is_older", lambda row, date: False)


def never_ask_the_shop(patch):
    patch.setattr(rereads, "ask", lambda *args, **kwargs: None)


def overlook_what_is_off(patch):
    patch.setattr(webhook_care, "_problem", lambda store, webhook: "")
    patch.setattr(webhook_care, "_mend", lambda store, client, topic, webhook, problem, care: webhook or {"id": 0})


def trust_whoever_answers(patch):
    patch.setattr(identity, "verify", lambda *args, **kwargs: None)


PLANTED = {
    "S3": (forget_the_second_of_the_cursor, lambda: reading.drift(1, pages=6, latency=0.0), "S3: missing or stale"),
    "S5": (throw_poison_away, lambda: reading.poison(1, 100, 10), "S5: poison that is neither"),
    "S6": (go_by_the_date_of_the_answers, lambda: reading.clocks(1, 2), "S6: missing"),
    "S6, dates": (believe_dates_more_than_answers, lambda: reading.clocks(1, 4), "S6: wrong after a comparison"),
    "S7": (never_ask_the_shop, lambda: hearing.permutations(1, 40), "S7: orders whose state"),
    "S8": (overlook_what_is_off, lambda: hearing.switched_off(1), "S8: webhooks that are on again"),
    "S10": (trust_whoever_answers, lambda: identity_scenario.clone(1), "S10: rows of a copy"),
}


@pytest.mark.django_db
@pytest.mark.long
@pytest.mark.parametrize("name", PLANTED)
def test_a_scenario_finds_the_bug_that_was_planted(name, monkeypatch):
    plant, run, figure = PLANTED[name]
    plant(monkeypatch)

    assert any(name.startswith(figure) for name in broken(run()))


def test_the_command_knows_its_scenarios():
    with pytest.raises(CommandError, match="No scenario is called S99"):
        call_command("chaos", "S99")
