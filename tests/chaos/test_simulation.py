"""A few seeds here; fifty run in CI by `manage.py chaos seeds`."""

import pytest

from postpurchase.chaos import seeds, simulation

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_when_all_is_quiet_the_mirror_is_the_shop(seed):
    outcome = simulation.run(seed)

    assert outcome.problems == []


def test_a_seed_makes_the_same_run_again():
    first, second = (simulation.run(2, steps=20) for _ in range(2))

    assert (first.counts, first.problems) == (second.counts, second.problems)
    assert first.counts["something happens"] and first.counts["webhook answered 200"]


def test_what_went_wrong_is_said_with_the_way_to_repeat_it():
    said = seeds.again(6, ["order 7: missing"])

    assert "manage.py chaos seeds --seed 6 --seeds 1" in said and "order 7: missing" in said
