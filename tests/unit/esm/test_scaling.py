from __future__ import annotations

from itertools import count

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdasim import BackoffModel, ScalingModel
from lambdasim.esm.scaling import Grid, plan_backoff, plan_cap, plan_growth, plan_release, slots_of

MINUTE = 60_000_000

targets = st.floats(0, 2_000).map(lambda target: round(target, 6))

# ---- ticks


def ticks_of(t0_us, span_us, ticks):
    for k in count(1):
        yield t0_us + k * span_us // ticks


@given(
    t0_us=st.integers(0, 10**7),
    span_us=st.sampled_from((MINUTE, 1_000_000, 7, 1)),
    ticks=st.integers(1, 20) | st.sampled_from((300, 7_919)),
    place=st.integers(1, 60),
    off=st.sampled_from((-1, 0, 1)),
    inclusive=st.booleans(),
)
def test_the_next_tick_is_the_first_of_all_ticks_that_is_not_over(t0_us, span_us, ticks, place, off, inclusive):
    assume(ticks <= span_us)
    at_us = t0_us + place * span_us // ticks + off
    wanted = next(tick for tick in ticks_of(t0_us, span_us, ticks) if tick > at_us or (inclusive and tick == at_us))
    assert Grid(t0_us, span_us, ticks).first_from(at_us, inclusive=inclusive) == wanted


@given(t0_us=st.integers(0, 10**7), at_us=st.integers(0, 10**7))
def test_no_tick_lies_at_the_beginning_or_before(t0_us, at_us):
    grid = Grid(t0_us, MINUTE, 300)
    tick_us = grid.first_from(at_us, inclusive=True)
    assert tick_us >= max(at_us, t0_us + 200_000)


def test_three_hundred_a_minute_is_one_each_200_ms():
    grid = Grid.of_growth(0, ScalingModel())
    assert [grid.first_from(200_000 * k, inclusive=False) for k in range(4)] == [200_000, 400_000, 600_000, 800_000]


def test_steps_come_once_a_minute_and_a_step_of_0_never():
    assert Grid.of_growth(5, ScalingModel.STEP).first_from(5, inclusive=True) == MINUTE + 5
    assert Grid.of_growth(0, ScalingModel(step_per_minute=0)) is None


# ---- growth and release


@pytest.mark.rule("ESM-012")
@given(most=st.integers(1, 3_000), mc=st.none() | st.integers(2, 1_000), account=st.integers(1, 3_000))
def test_the_cap_is_the_least_of_all(most, mc, account):
    assert plan_cap(ScalingModel(max=most), mc, account) == min([most, account] + ([] if mc is None else [mc]))


@given(target=targets, cap=st.integers(1, 2_000), model=st.sampled_from((ScalingModel(), ScalingModel.STEP)))
def test_growth_adds_one_or_a_step_up_to_the_cap(target, cap, model):
    assume(target <= cap)
    step = 300 if model.ramp == "step" else 1
    grown = plan_growth(target, cap, model)
    assert grown == min(cap, round(target + step, 6))
    assert target <= grown <= cap


@given(target=targets, initial=st.integers(1, 10))
def test_release_takes_one_but_never_below_the_initial_slots(target, initial):
    assert plan_release(target, initial) == max(initial, round(target - 1, 6))


@pytest.mark.rule("ESM-100", "ESM-101")
@pytest.mark.parametrize(("target", "left"), [(16.1, 15.1), (6.000001, 5.000001), (6, 5), (5.9, 5), (5, 5), (2, 5)])
def test_what_is_left_after_a_release_has_six_decimals(target, left):
    """16.1 less 1 is 15.100000000000001 in floats."""
    assert plan_release(target, 5) == left


@given(target=targets)
def test_slots_are_the_whole_part_of_the_target(target):
    assert slots_of(target) <= target < slots_of(target) + 1


# ---- back-off

models = st.builds(
    BackoffModel,
    strength=st.floats(0, 1),
    exponent=st.floats(0, 2),
    floor=st.integers(1, 10),
    enabled=st.booleans(),
)


@given(target=targets, cap=st.integers(1, 2_000), finished=st.integers(0, 50), model=models, data=st.data())
def test_back_off_lowers_the_target_by_the_formula_and_keeps_it_within_floor_and_cap(
    target, cap, finished, model, data
):
    assume(target <= cap)
    failed = data.draw(st.integers(0, finished))
    lowered = plan_backoff(target, cap, failed, finished, model)
    if not failed or not model.enabled:
        assert lowered == target
        return
    formula = target * (1 - model.strength * (failed / finished) ** model.exponent)
    floor = min(model.floor, cap)
    assert lowered == max(floor, round(formula, 6))
    assert floor <= lowered <= max(target, floor) <= cap
    assert lowered == round(lowered, 6)


@pytest.mark.rule("ESM-161")
@pytest.mark.parametrize(
    ("percent", "reduction", "balance"),
    [(1, 0.1884, 26.5), (5, 0.3053, 16.4), (10, 0.3759, 13.3), (50, 0.6092, 8.2), (100, 0.75, 6.7)],
)
def test_strength_and_exponent_give_the_measured_reductions(percent, reduction, balance):
    model = BackoffModel(floor=1)  # of the formula alone: with the floor of 2 the last row would be 7.0
    assert 1 - plan_backoff(100.0, 1_000, percent, 100, model) / 100 == pytest.approx(reduction, abs=0.00005)
    target = 60.0
    for _ in range(200):  # growth of 5 a second between two ticks
        before = target
        target = plan_backoff(target, 1_000, percent, 100, model) + 5
    assert before == pytest.approx(balance, abs=0.06)


@pytest.mark.rule("ESM-162")
@pytest.mark.parametrize(
    ("growth", "wanted"),
    [(0, [250, 62.5, 15.625, 3.90625, 2, 2]), (5, [250, 63.75, 17.1875, 5.546875, 2.636719, 2])],
)
def test_when_every_attempt_fails_the_target_falls_to_the_floor(growth, wanted):
    target, found = 1_000.0, []
    for _ in range(6):
        target = plan_backoff(target, 1_000, 1, 1, BackoffModel())
        found.append(target)
        target += growth
    assert found == wanted


def test_the_floor_is_never_above_the_cap():
    assert plan_backoff(1.0, 1, 1, 1, BackoffModel()) == 1
