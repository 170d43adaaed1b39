from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.clock import Benign, ChoicePoint, Seeded

OPTIONS = ("benign", "one", "two", "three")


def point(name="sqs.duplicate", owner="arn:q", weight=0.5):
    return ChoicePoint(name=name, owner=owner, weight=weight)


@given(st.integers(1, 10), st.floats(0, 1))
def test_benign_always_takes_the_first_option(count, weight):
    assert 0 == Benign().choose(point(weight=weight), ["x"] * count)


@given(st.integers(), st.integers(1, 5), st.floats(0, 1))
def test_seeded_takes_an_option_that_there_is(seed, count, weight):
    chooser = Seeded(seed)
    assert all(0 <= chooser.choose(point(weight=weight), ["x"] * count) < count for _ in range(20))


def test_a_weight_is_the_probability_of_leaving_the_first_option():
    for weight in (0.05, 0.5, 0.9):
        chooser = Seeded(1)
        left = sum(chooser.choose(point(weight=weight), OPTIONS) > 0 for _ in range(20_000))
        assert abs(left / 20_000 - weight) < 0.015


def test_the_other_options_share_the_weight_equally():
    chooser = Seeded(2)
    found = Counter(chooser.choose(point(weight=0.6), OPTIONS) for _ in range(30_000))
    assert {0, 1, 2, 3} == set(found)
    for option in (1, 2, 3):
        assert abs(found[option] / 30_000 - 0.2) < 0.015


@pytest.mark.parametrize(("weight", "expected"), [(0.0, {0}), (1.0, {1, 2, 3})])
def test_a_weight_of_nought_or_one_leaves_no_doubt(weight, expected):
    chooser = Seeded(3)
    assert expected == {chooser.choose(point(weight=weight), OPTIONS) for _ in range(200)}


@pytest.mark.rule("SQS-007")
@given(st.integers(0, 5), st.lists(st.sampled_from([("p", "x"), ("p", "y"), ("q", "x")]), max_size=40))
def test_each_owner_and_point_has_draws_of_its_own(seed, asked):
    """No draw moves another: who else is asked, and how often, makes no difference."""
    together, alone = Seeded(seed), {key: Seeded(seed) for key in asked}
    for name, owner in asked:
        ask = point(name=name, owner=owner)
        assert together.choose(ask, OPTIONS) == alone[name, owner].choose(ask, OPTIONS)


def test_owners_and_points_do_not_draw_alike():
    def draws(name, owner):
        chooser = Seeded(0)
        return [chooser.choose(point(name=name, owner=owner), OPTIONS) for _ in range(50)]

    found = [draws("p", "x"), draws("p", "y"), draws("q", "x")]
    assert found[0] != found[1] != found[2] != found[0]


def test_a_point_with_one_option_draws_nothing():
    asked, spared = Seeded(4), Seeded(4)
    for _ in range(30):
        assert 0 == asked.choose(point(weight=1.0), ("only",))
        assert asked.choose(point(), OPTIONS) == spared.choose(point(), OPTIONS)


def test_choosers_of_one_seed_draw_alike_and_those_of_another_do_not():
    def draws(seed):
        chooser = Seeded(seed)
        return [chooser.choose(point(), OPTIONS) for _ in range(50)]

    assert draws(5) == draws(5)
    assert draws(5) != draws(6)


def test_a_draw_moves_with_the_weight_of_no_other_draw():
    """Each asking draws one lot, whatever its weight: a change of one weight leaves the later draws where they were."""
    high, low = Seeded(6), Seeded(6)
    high.choose(point(weight=1.0), OPTIONS)
    low.choose(point(weight=0.001), OPTIONS)
    assert [high.choose(point(), OPTIONS) for _ in range(20)] == [low.choose(point(), OPTIONS) for _ in range(20)]
