"""A few seeds here; fifty run in CI by `manage.py chaos seeds`."""

import pytest

from postpurchase.chaos import simulation

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_when_all_is_quiet_the_mirror_is_the_shop(seed):
    outcome = simulation.run(seed)

    assert outcome.problems == []


def test_figures_name_the_seed_to_repeat(monkeypatch):
    told = []
    monkeypatch.setattr(
        simulation, "run", lambda seed: simulation.Outcome(seed, problems=["order 7: missing"] * (seed == 6))
    )

    figures = simulation.measure(5, 3, told.append)

    assert (figures[0].value, figures[0].met) == (1, False)
    assert "chaos seeds --seed 6 --seeds 1" in told[0] and "order 7: missing" in told[1]
