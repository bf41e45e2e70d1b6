"""How many readers a shop gets, decided from answers that are made up here."""

import pytest

from crm.woocommerce.pace import AGAIN, RECOVERED_FROM_LIMIT, Pace


def test_what_one_kind_of_object_took_says_nothing_about_another():
    pace = Pace(4)
    ask(pace, 20, lambda readers: 0.005)
    pace.begin()

    ask(pace, 20, lambda readers: 1.0)

    assert pace.readers == 4


def ask(pace, answers, seconds):
    """So many answers, each after `seconds(readers)`, to a saver that always waits for the next one."""
    for _ in range(answers):
        beside = pace.readers
        pace.answered(seconds(beside), beside)
        pace.waited()


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8])
def test_it_grows_to_the_limit_while_more_readers_bring_more(limit):
    pace = Pace(limit)

    ask(pace, 20, lambda readers: 0.5)

    assert pace.readers == limit


def test_it_is_at_four_after_three_answers():
    pace = Pace(4)

    ask(pace, 3, lambda readers: 0.5)

    assert pace.readers == 4


def test_it_falls_back_where_more_readers_only_make_each_answer_slower():
    pace = Pace(8)

    ask(pace, 30, lambda readers: 2.1 * readers)

    assert pace.readers == 1


def test_it_stays_where_the_gain_ends():
    pace = Pace(8)

    ask(pace, 40, lambda readers: 1.0 if readers <= 2 else 0.5 * readers)

    assert pace.readers == 2


def test_what_was_of_no_use_is_tried_again_later_and_ever_more_rarely():
    pace, tried = Pace(2), []
    for answer in range(2000):
        before = pace.readers
        ask(pace, 1, lambda readers: readers)
        if pace.readers > before:
            tried.append(answer)

    gaps = [later - earlier for earlier, later in zip(tried, tried[1:], strict=False)]
    assert gaps[0] >= AGAIN
    assert gaps == sorted(gaps)
    assert gaps[-1] > 4 * gaps[0]


def test_a_shop_that_recovers_gets_more_readers_again():
    pace = Pace(4)
    ask(pace, 20, lambda readers: 0.5)
    pace.slowed(at=10.0, began=9.0)
    pace.slowed(at=11.0, began=10.5)
    assert pace.readers == 1

    ask(pace, 2 * AGAIN + 20, lambda readers: 0.5)

    assert pace.readers == 4


def test_an_answer_in_ten_that_breaks_does_not_leave_one_reader_alone():
    pace, most = Pace(4), []
    ask(pace, 20, lambda readers: 0.5)

    for at in range(20):
        pace.slowed(at=at + 0.5, began=at + 0.1)
        ask(pace, 9, lambda readers: 0.5)
        most.append(pace.readers)

    assert min(most) >= 2


def test_a_shop_with_a_limit_is_asked_more_only_after_a_while():
    pace = Pace(4)
    ask(pace, 20, lambda readers: 0.5)

    pace.slowed(at=10.0, began=9.0, has_limit=True)
    ask(pace, RECOVERED_FROM_LIMIT - 1, lambda readers: 0.5)
    assert pace.readers == 2
    ask(pace, 3 * RECOVERED_FROM_LIMIT, lambda readers: 0.5)

    assert pace.readers == 4


def test_it_does_not_grow_while_the_saver_is_busy():
    pace = Pace(4)

    for _ in range(100):
        pace.answered(0.01, 1)

    assert pace.readers == 1


def test_one_trouble_of_many_readers_halves_them_once():
    pace = Pace(8)
    ask(pace, 40, lambda readers: 0.5)

    for _ in range(8):
        pace.slowed(at=100.0, began=99.0)

    assert pace.readers == 4
    pace.slowed(at=102.0, began=101.0)
    assert pace.readers == 2


def test_the_longest_wish_to_be_left_alone_counts():
    pace = Pace(4)

    pace.slowed(at=10.0, began=9.0, quiet=7.0)
    pace.slowed(at=11.0, began=9.5, quiet=1.0)

    assert pace.quiet_until == 17.0


def test_one_reader_is_never_given_up():
    pace = Pace(1)

    for at in range(5):
        pace.slowed(at=at + 0.5, began=at + 0.1)

    assert pace.readers == 1


def test_no_more_is_asked_ahead_than_is_needed_to_have_the_next_answer_in_time():
    pace = Pace(4)
    pace.readers = 4
    assert pace.ahead == 5

    def after(getting, using):
        for _ in range(20):
            pace.got(getting)
            pace.used(using)
        return pace.ahead

    assert after(getting=0.05, using=0.06) == 1
    assert after(getting=0.15, using=0.06) == 3
    assert after(getting=1.0, using=0.06) == 5
    pace.begin()
    assert pace.ahead == 1
    pace.readers = 2
    assert pace.ahead == 3
