from __future__ import annotations

import pickle
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice, pairwise
from math import ceil, floor, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.errors import UsageError
from lambdasim.workload import (
    Arrivals,
    Burst,
    Bursts,
    ConstantRate,
    Instants,
    IntervalCounts,
    Merged,
    PiecewiseRate,
    Poisson,
)


class Recorder(Random):
    """Counts what is asked of it, and allows `random()` alone, the one method that is the same on every Python."""

    draws = 0

    def random(self) -> float:
        self.draws += 1
        return super().random()

    def getrandbits(self, bits: int) -> int:
        raise AssertionError(f"{bits} bits were asked for")


def instants(arrivals: Arrivals, seed: int = 0) -> list[int]:
    return list(arrivals.instants_us(Random(seed)))


def first(count: int, arrivals: Arrivals, seed: int = 0) -> list[int]:
    return list(islice(arrivals.instants_us(Random(seed)), count))


rates = st.one_of(
    st.integers(1, 10_000),
    st.floats(0.001, 10_000),
    st.decimals("0.001", "10000", places=3),
    st.fractions(Fraction(1, 1000), 10_000, max_denominator=1000),
)
spans = st.integers(0, 2_000_000).map(lambda us: timedelta(microseconds=us))
counts = st.lists(st.integers(0, 40) | st.floats(0, 40) | st.fractions(0, 40, max_denominator=9), max_size=12)
segments = st.lists(st.tuples(spans, st.just(0) | st.floats(0.001, 50) | st.integers(1, 50)), max_size=6)
finite = st.one_of(
    st.builds(ConstantRate, st.floats(0.001, 50), spans, spans),
    st.builds(Poisson, st.floats(0.001, 50), spans, spans),
    st.builds(PiecewiseRate, segments, poisson=st.booleans()),
    st.builds(Burst, st.integers(0, 5), spans),
    st.builds(Bursts, st.integers(0, 5), st.integers(1, 9), st.integers(0, 5), spans),
    st.builds(IntervalCounts, counts, st.floats(0.000001, 9), st.sampled_from(["even", "poisson"])),
    st.builds(Instants, st.lists(spans, max_size=9).map(sorted)),
)
processes = finite | st.builds(lambda parts: Merged(*parts), st.lists(finite, max_size=4))

# The same on every supported Python. A change here changes the results of everybody who has fixed a seed.
PINNED = [
    (ConstantRate(0.3), [0, 3333333, 6666666, 10000000, 13333333, 16666666]),
    (Poisson(2.5), [744242, 1311694, 1529979, 1649836, 1936218, 2143851]),
    (PiecewiseRate([(1, 2.5), (1, 0), (2, 4)]), [0, 400000, 800000, 2125000, 2375000, 2625000]),
    (
        PiecewiseRate([(1, 2.5), (1, 0), (2, 4)], poisson=True),
        [744242, 2194809, 2331237, 2406147, 2585136, 2714907],
    ),
    (Burst(2, at=1.5), [1500000, 1500000]),
    (Bursts(2, every=0.7, start=0.1), [100000, 100000, 800000, 800000, 1500000, 1500000]),
    (IntervalCounts([3, 0, 2.6], interval=1), [0, 333333, 666666, 2000000, 2333333, 2666666]),
    (
        IntervalCounts([3, 0, 2.6], interval=1, spread="poisson"),
        [420571, 757954, 844421, 2258916, 2404934, 2511274],
    ),
    (Instants([0, 0.25, 7]), [0, 250000, 7000000]),
    (Merged(Poisson(1), Poisson(2), Burst(1, at=1)), [796339, 897239, 1000000, 1294971, 1544118, 1901912]),
]


class TestEveryProcess:
    @pytest.mark.parametrize(("arrivals", "expected"), PINNED)
    def test_has_these_very_instants(self, arrivals, expected) -> None:
        """Seed 0 gives the same instants on every Python and in every release."""
        assert expected == first(6, arrivals)

    @given(processes, st.integers(0, 2**32))
    def test_is_non_decreasing_whole_and_within_its_duration(self, arrivals, seed) -> None:
        """Instants are ints, never go back, begin at 0 or later, and none is later than the end of the process."""
        found = instants(arrivals, seed)
        assert all(type(at_us) is int for at_us in found)
        assert found == sorted(found)
        assert all(0 <= at_us <= arrivals.duration_us for at_us in found)

    @given(processes, st.integers(0, 2**32))
    def test_has_as_many_arrivals_as_it_says(self, arrivals, seed) -> None:
        """A total that is known is exact."""
        if arrivals.total is not None:
            assert arrivals.total == len(instants(arrivals, seed))

    @given(processes, st.integers(0, 2**32))
    def test_starts_anew_each_time(self, arrivals, seed) -> None:
        """A process holds no state: generators in the same state give the same instants."""
        assert instants(arrivals, seed) == instants(arrivals, seed)

    @given(processes)
    def test_asks_for_random_alone(self, arrivals) -> None:
        """No other method of the generator is called, for no other is the same on every Python."""
        assert instants(arrivals) == list(arrivals.instants_us(Recorder(0)))

    @given(processes)
    def test_is_a_value(self, arrivals) -> None:
        """It can be compared, hashed, pickled for other processes, and not be changed."""
        copy = pickle.loads(pickle.dumps(arrivals))
        assert arrivals == copy
        assert hash(arrivals) == hash(copy)
        assert isinstance(arrivals, Arrivals)
        with pytest.raises(AttributeError):
            arrivals.start = 1

    @pytest.mark.parametrize(
        "arrivals",
        [ConstantRate(1000), Poisson(1000), Bursts(1, every=0.001), Merged(Poisson(1000), ConstantRate(1))],
    )
    def test_may_be_endless(self, arrivals) -> None:
        """An endless process knows neither total nor duration, and is as lazy as it must be."""
        assert arrivals.total is None
        assert arrivals.duration_us is None
        assert 1000 == len(first(1000, arrivals))


class TestConstantRate:
    @given(rates, spans, st.integers(0, 300))
    def test_arrivals_lie_where_arithmetic_puts_them(self, rate, start, k) -> None:
        """Arrival k is at start + floor(k / rate), exactly, however the rate is spelled."""
        exact = Fraction(str(rate))
        found = first(k + 1, ConstantRate(rate, start=start))
        assert start // timedelta(microseconds=1) + floor(k * 1_000_000 / exact) == found[k]

    def test_there_is_no_drift(self) -> None:
        """The millionth arrival is as exact as the first."""
        assert 999_999 * 1_000_000 // 3 == instants(ConstantRate(3, duration=400_000))[999_999]
        assert [10_000_000 * k for k in range(1000)] == first(1000, ConstantRate(0.1))

    @given(rates, spans, spans)
    def test_end_is_no_part_of_it(self, rate, duration, start) -> None:
        """Arrivals lie in [start, start + duration), and the next one would not."""
        arrivals = ConstantRate(rate, duration, start)
        found = instants(arrivals)
        assert all(at_us < arrivals.duration_us for at_us in found)
        assert first(len(found) + 1, ConstantRate(rate, start=start))[-1] >= arrivals.duration_us
        assert found == first(len(found), ConstantRate(rate, start=start))

    @pytest.mark.parametrize(("end_us", "expected"), [(-1, 2), (0, 2), (1, 3)])
    def test_border_is_exact_to_the_microsecond(self, end_us, expected) -> None:
        """An arrival at the very end is left out; with one microsecond more it is there."""
        duration = timedelta(seconds=1, microseconds=end_us)
        assert expected == len(instants(ConstantRate(2, duration))) == ConstantRate(2, duration).total

    def test_many_may_share_a_microsecond(self) -> None:
        """Rates above a million a second put several arrivals into one microsecond."""
        assert [0, 0, 0, 1, 1, 2, 2, 2, 3, 3] == first(10, ConstantRate(2_500_000))

    def test_spellings_of_one_value_are_equal(self) -> None:
        """What a parameter means counts, not how it was spelled."""
        assert ConstantRate(0.5, 60, 1) == ConstantRate(Decimal("0.5"), timedelta(minutes=1), 1.0)
        assert ConstantRate(Fraction(1, 3)) != ConstantRate(1 / 3)

    def test_shows_how_it_is_made(self) -> None:
        """The representation can be typed again."""
        assert "ConstantRate(rate_per_s=0.1, duration=60, start=0.5)" == repr(ConstantRate(0.1, 60, 0.5))
        assert "ConstantRate(rate_per_s=Fraction(1, 3), duration=None, start=0)" == repr(ConstantRate(Fraction(1, 3)))

    def test_draws_nothing(self) -> None:
        """What is certain leaves the random stream alone."""
        recorder = Recorder(0)
        assert [0, 500_000] == list(ConstantRate(2, duration=1).instants_us(recorder))
        assert 0 == recorder.draws


class TestPoisson:
    def test_mean_and_variance_are_those_of_a_poisson_process(self) -> None:
        """Counts by second have a mean and a variance of the rate; gaps have a mean and a deviation of its inverse."""
        found = instants(Poisson(50, duration=4000), seed=1)
        by_second = [0] * 4000
        for at_us in found:
            by_second[at_us // 1_000_000] += 1
        mean = sum(by_second) / 4000
        variance = sum((count - mean) ** 2 for count in by_second) / 3999
        assert mean == pytest.approx(50, rel=0.01)
        assert variance == pytest.approx(50, rel=0.1)
        gaps = [after - before for before, after in pairwise(found)]
        mean_gap = sum(gaps) / len(gaps)
        deviation = sqrt(sum((gap - mean_gap) ** 2 for gap in gaps) / len(gaps))
        assert mean_gap == pytest.approx(20_000, rel=0.01)
        assert deviation == pytest.approx(20_000, rel=0.02)

    @given(st.floats(0.01, 1000), st.integers(0, 500_000), st.integers(0, 10**6), st.integers(0, 2**32))
    def test_start_moves_and_duration_cuts(self, rate, length_us, start_us, seed) -> None:
        """The same draws give the same process, moved by the start, and cut before the end."""
        whole = Poisson(rate, duration=1)
        cut = Poisson(rate, timedelta(microseconds=length_us), timedelta(microseconds=start_us))
        expected = [start_us + at_us for at_us in instants(whole, seed) if at_us < length_us]
        assert expected == instants(cut, seed)

    def test_draws_once_per_arrival_and_once_for_the_end(self) -> None:
        """The number of draws is known, and made only when asked for."""
        recorder = Recorder(0)
        stream = Poisson(100, duration=10).instants_us(recorder)
        assert 0 == recorder.draws
        assert len(list(stream)) + 1 == recorder.draws

    def test_total_is_up_to_chance(self) -> None:
        """Nobody knows the total; the duration ends where it was said to."""
        assert Poisson(1, duration=60, start=5).total is None
        assert 65_000_000 == Poisson(1, duration=60, start=5).duration_us
        assert "Poisson(rate_per_s=1, duration=60, start=5)" == repr(Poisson(1, 60, 5))


class TestPiecewiseRate:
    def test_phase_is_carried_over_borders(self) -> None:
        """A gap that has half passed at a border needs only the other half behind it, at the new rate."""
        assert [0, 1_000_000, 1_750_000, 2_250_000] == instants(PiecewiseRate([(1.5, 1), (1, 2)]))

    def test_rate_of_zero_is_a_break(self) -> None:
        """Nothing arrives, and the phase waits; an arrival due at the beginning of a break comes right behind it."""
        assert [0, 1_000_000, 12_000_000] == instants(PiecewiseRate([(1.5, 1), (10, 0), (1, 1)]))
        assert [0, 11_000_000] == instants(PiecewiseRate([(1, 1), (10, 0), (1, 1)]))
        assert [10_000_000] == instants(PiecewiseRate([(10, 0), (1, 1)]))

    @given(st.integers(1, 9), st.lists(st.integers(0, 2_000_000), max_size=6))
    def test_borders_between_equal_rates_do_not_matter(self, rate, lengths_us) -> None:
        """Cutting a constant rate into pieces changes nothing."""
        pieces = PiecewiseRate([(timedelta(microseconds=length_us), rate) for length_us in lengths_us])
        assert instants(ConstantRate(rate, timedelta(microseconds=sum(lengths_us)))) == instants(pieces)

    @given(segments)
    def test_counts_are_right_in_the_long_run(self, pieces) -> None:
        """Up to each border there are as many arrivals as the rates add up to, rounded up."""
        found = instants(PiecewiseRate(pieces))
        end_us, expected = 0, Fraction(0)
        for duration, rate in pieces:
            length_us = duration // timedelta(microseconds=1)
            end_us += length_us
            expected += length_us * Fraction(str(rate)) / 1_000_000
            assert ceil(expected) == sum(at_us < end_us for at_us in found)

    def test_poisson_counts_follow_the_rates(self) -> None:
        """Each segment has about as many arrivals as its rate and duration say, a break has none."""
        found = instants(PiecewiseRate([(1000, 10), (1000, 0), (1000, 40)], poisson=True), seed=2)
        by_segment = [sum(begin <= at_us // 10**9 < begin + 1 for at_us in found) for begin in range(3)]
        assert by_segment[0] == pytest.approx(10_000, abs=4 * sqrt(10_000))
        assert by_segment[1] == 0
        assert by_segment[2] == pytest.approx(40_000, abs=4 * sqrt(40_000))

    @given(st.integers(1, 50), st.integers(0, 2**32))
    def test_poisson_with_one_segment_is_a_poisson_process(self, rate, seed) -> None:
        """With one segment it is the plain process, draw by draw."""
        assert instants(Poisson(rate, duration=2), seed) == instants(PiecewiseRate([(2, rate)], poisson=True), seed)

    @given(st.integers(1, 50), spans, spans, st.integers(0, 2**32))
    def test_poisson_carries_what_is_left_of_a_gap(self, rate, one, two, seed) -> None:
        """Cutting a rate into pieces draws no more, and moves no arrival by more than rounding."""
        whole = instants(Poisson(rate, one + two), seed)
        pieces = instants(PiecewiseRate([(one, rate), (two, rate)], poisson=True), seed)
        assert whole == pytest.approx(pieces, abs=1)

    def test_total_and_duration_add_up(self) -> None:
        """The total is rounded up, as arrivals come at the beginning of gaps; chance knows none."""
        arrivals = PiecewiseRate([(timedelta(minutes=1), 0.5), (30, 0.25)])
        assert (38, 90_000_000) == (arrivals.total, arrivals.duration_us)
        assert PiecewiseRate([(60, 1)], poisson=True).total is None
        assert (0, 0) == (PiecewiseRate([]).total, PiecewiseRate([]).duration_us)

    def test_shows_how_it_is_made(self) -> None:
        """Few segments are shown whole, many by their beginning and number."""
        assert "PiecewiseRate([(60, 0.5), (30, 2)], poisson=False)" == repr(PiecewiseRate([(60, 0.5), (30, 2)]))
        many = PiecewiseRate([(60, 1)] * 7, poisson=True)
        assert "PiecewiseRate([(60, 1), (60, 1), (60, 1), … 7 segments], poisson=True)" == repr(many)

    @pytest.mark.parametrize(
        ("pieces", "text"),
        [
            ([(1, 1), 5], "segments[1]=5 is no segment; give a pair (duration, rate_per_s)"),
            ([(1, 2, 3)], "segments[0]=(1, 2, 3) is no segment; give a pair (duration, rate_per_s)"),
            ([(-1, 1)], "segments[0].duration=-1 is negative; it must be 0 or more"),
            (
                [(1, 1), (1, -1)],
                "segments[1].rate_per_s=-1 is out of bounds; give 1e-09 to 1000000000 arrivals a second, or 0",
            ),
            ([(1, 1e-10)], "segments[0].rate_per_s=1e-10 is out of bounds; give 1e-09 to"),
        ],
    )
    def test_bad_segment_is_named(self, pieces, text) -> None:
        """The error names the segment, the value and what to give."""
        with pytest.raises(UsageError) as caught:
            PiecewiseRate(pieces)
        assert str(caught.value).startswith(text)


class TestBursts:
    def test_burst_is_one_instant(self) -> None:
        """All arrivals are at once, and that instant is the end of the process."""
        assert [2_500_000] * 3 == instants(Burst(3, at=2.5))
        assert (3, 2_500_000) == (Burst(3, at=2.5).total, Burst(3, at=2.5).duration_us)
        assert [] == instants(Burst(0))
        assert "Burst(count=3, at=2.5)" == repr(Burst(3, 2.5))

    def test_bursts_come_at_equal_distances(self) -> None:
        """Burst k is at start + k * every."""
        arrivals = Bursts(2, every=timedelta(minutes=1), times=3, start=5)
        assert [5_000_000, 5_000_000, 65_000_000, 65_000_000, 125_000_000, 125_000_000] == instants(arrivals)
        assert (6, 125_000_000) == (arrivals.total, arrivals.duration_us)
        assert "Bursts(count=2, every=60, times=3, start=5)" == repr(arrivals)

    def test_empty_bursts_end(self) -> None:
        """Bursts of nothing are over at once, even without end; so are no bursts."""
        assert [] == instants(Bursts(0, every=1))
        assert 0 == Bursts(0, every=1).total
        assert [] == instants(Bursts(3, every=1, times=0))
        assert 7_000_000 == Bursts(3, every=1, times=0, start=7).duration_us


class TestIntervalCounts:
    @given(st.lists(st.integers(0, 50), max_size=12), st.integers(1, 10**7))
    def test_even_arrivals_lie_where_arithmetic_puts_them(self, whole, interval_us) -> None:
        """Arrival i of N is at floor(i * interval / N) behind the beginning of its interval."""
        expected = [
            index * interval_us + i * interval_us // count for index, count in enumerate(whole) for i in range(count)
        ]
        assert expected == instants(IntervalCounts(whole, timedelta(microseconds=interval_us)))

    @given(counts, st.integers(1, 10**7), st.sampled_from(["even", "poisson"]), st.integers(0, 2**32))
    def test_each_interval_has_its_count(self, given_counts, interval_us, spread, seed) -> None:
        """However arrivals are spread, an interval holds its own, from its beginning to before its end."""
        arrivals = IntervalCounts(given_counts, timedelta(microseconds=interval_us), spread)
        by_interval = [0] * len(given_counts)
        for at_us in instants(arrivals, seed):
            by_interval[at_us // interval_us] += 1
        assert arrivals.counts == tuple(by_interval)
        assert arrivals.duration_us == interval_us * len(given_counts)

    @given(counts)
    def test_sums_of_fractions_are_right_to_within_a_half(self, given_counts) -> None:
        """Fractions are carried on: every sum from the first on is rounded, halves up, and never more than that."""
        whole = IntervalCounts(given_counts, 1).counts
        exact = Fraction(0)
        for index, count in enumerate(given_counts):
            exact += Fraction(str(count))
            assert floor(exact + Fraction(1, 2)) == sum(whole[: index + 1])

    def test_whole_counts_stay(self) -> None:
        """Ints, and floats that are whole, are taken as they are."""
        assert (94, 0, 56) == IntervalCounts([94.0, 0, Decimal(56)], 300).counts
        assert 10 == IntervalCounts([0.1] * 100, 300).total

    def test_poisson_spread_is_uniform(self) -> None:
        """Instants are spread over the whole interval alike: mean and deviation are those of a uniform distribution."""
        found = instants(IntervalCounts([0, 100_000], 1, spread="poisson"), seed=3)
        offsets = [at_us - 1_000_000 for at_us in found]
        mean = sum(offsets) / len(offsets)
        deviation = sqrt(sum((offset - mean) ** 2 for offset in offsets) / len(offsets))
        assert mean == pytest.approx(500_000, rel=0.01)
        assert deviation == pytest.approx(1_000_000 / sqrt(12), rel=0.01)

    def test_draws_once_per_arrival(self) -> None:
        """Spread "poisson" draws as often as there are arrivals, "even" never."""
        recorder = Recorder(0)
        assert 30 == len(list(IntervalCounts([10, 20], 1, spread="poisson").instants_us(recorder)))
        assert 30 == recorder.draws
        assert 30 == len(list(IntervalCounts([10, 20], 1).instants_us(recorder)))
        assert 30 == recorder.draws

    @pytest.mark.parametrize("bad", [-1, -0.5, float("nan"), float("inf"), 10**12 + 1])
    def test_bad_count_is_named_with_its_row(self, bad) -> None:
        """The error names the place of the count, the count and the bounds."""
        with pytest.raises(UsageError) as caught:
            IntervalCounts([1, 2, bad], 60)
        assert f"counts[2]={bad!r} is out of bounds; give 0 to 1000000000000 arrivals" == str(caught.value)

    def test_shows_how_it_is_made(self) -> None:
        """Few counts are shown whole, many by their beginning and number."""
        assert "IntervalCounts([1, 2], interval=300, spread='even')" == repr(IntervalCounts([1, 2], 300))
        many = IntervalCounts(range(1000), 0.5, spread="poisson")
        assert "IntervalCounts([0, 1, 2, … 1000 counts], interval=0.5, spread='poisson')" == repr(many)


class TestInstants:
    def test_instants_are_taken_as_given(self) -> None:
        """Seconds of any kind become microseconds; equal instants are several arrivals."""
        arrivals = Instants(iter([0, 0.5, Decimal("0.5"), timedelta(seconds=1)]))
        assert [0, 500_000, 500_000, 1_000_000] == instants(arrivals)
        assert (4, 1_000_000) == (arrivals.total, arrivals.duration_us)
        assert "Instants([0, 0.5, 0.5, 1])" == repr(arrivals)

    def test_none_at_all_is_allowed(self) -> None:
        """No instants are no arrivals."""
        assert ([], 0, 0) == (instants(Instants([])), Instants([]).total, Instants([]).duration_us)

    def test_order_is_demanded(self) -> None:
        """The error names the place and both instants."""
        with pytest.raises(UsageError, match=r"^instants\[2\]=1 lies before the one in front of it, 1.5; give"):
            Instants([0, 1.5, 1])
        with pytest.raises(UsageError, match=r"^instants\[1\]=-1 is negative"):
            Instants([0, -1])


class TestMerged:
    @given(st.lists(finite, max_size=4), st.integers(0, 2**32))
    def test_is_the_union_of_independent_processes(self, parts, seed) -> None:
        """Each process draws from a stream of its own, seeded by one draw each; all arrivals are there, in order."""
        streams = Random(seed)
        expected = [at_us for part in parts for at_us in instants(part, int(streams.random() * 2**53))]
        assert sorted(expected) == instants(Merged(*parts), seed)

    def test_one_more_process_moves_no_other(self) -> None:
        """What is added at the end leaves the arrivals of those before it where they were."""
        alone = instants(Merged(Poisson(9, duration=10)))
        both = instants(Merged(Poisson(9, duration=10), Burst(2, at=3)))
        assert sorted([*alone, 3_000_000, 3_000_000]) == both

    def test_equal_processes_are_independent(self) -> None:
        """The same process twice is not the same arrivals twice."""
        found = instants(Merged(Poisson(9, duration=10), Poisson(9, duration=10)))
        assert len(found) > len(set(found)) * 0.9
        assert found[::2] != found[1::2]

    def test_seeds_are_drawn_at_once(self) -> None:
        """What the caller draws between the call and the first arrival changes nothing."""
        recorder = Recorder(0)
        stream = Merged(Poisson(1), Poisson(1)).instants_us(recorder)
        assert 2 == recorder.draws
        recorder.random()
        assert first(5, Merged(Poisson(1), Poisson(1))) == list(islice(stream, 5))

    def test_total_and_duration_are_those_of_all(self) -> None:
        """They are known if all processes know theirs."""
        known = Merged(Burst(2, at=5), ConstantRate(1, duration=3))
        assert (5, 5_000_000) == (known.total, known.duration_us)
        chancy = Merged(Burst(2, at=5), Poisson(1, duration=3))
        assert (None, 5_000_000) == (chancy.total, chancy.duration_us)
        endless = Merged(Burst(2, at=5), ConstantRate(1))
        assert (None, None) == (endless.total, endless.duration_us)
        assert (0, 0) == (Merged().total, Merged().duration_us)
        assert "Merged(Burst(count=2, at=5), Burst(count=1, at=0))" == repr(Merged(Burst(2, 5), Burst(1)))

    def test_what_is_no_process_is_refused(self) -> None:
        """The error names the place and how to give explicit instants."""
        with pytest.raises(UsageError) as caught:
            Merged(Burst(1), [1, 2])
        expected = "arrivals[1]=[1, 2] is no arrival process; give explicit instants as Instants([…])"
        assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ConstantRate(0), "rate_per_s=0 is out of bounds; give 1e-09 to 1000000000 arrivals a second"),
        (lambda: ConstantRate(-1), "rate_per_s=-1 is out of bounds"),
        (lambda: ConstantRate("5"), "rate_per_s='5' is no number; give an int, a float, a Decimal or a Fraction"),
        (lambda: ConstantRate(5, duration=-1), "duration=-1 is negative"),
        (lambda: ConstantRate(5, duration=10**10), "duration=10000000000 is too long; give at most 9007199254 seconds"),
        (lambda: ConstantRate(5, start="noon"), "start='noon' is no duration"),
        (lambda: Poisson(1e10), "rate_per_s=10000000000.0 is out of bounds"),
        (lambda: Poisson(float("nan")), "rate_per_s=nan is out of bounds"),
        (lambda: Burst(-1), "count=-1 is no count; give a whole number, 0 or more"),
        (lambda: Burst(1, at=-1), "at=-1 is negative"),
        (lambda: Bursts(1.5, every=1), "count=1.5 is no count"),
        (lambda: Bursts(1, every=0), "every=0 is too short; give at least 1e-06 seconds"),
        (lambda: Bursts(1, every=1, times=-1), "times=-1 is no count"),
        (lambda: IntervalCounts([1], interval=0), "interval=0 is too short"),
        (lambda: IntervalCounts([1], 1, spread="random"), "spread='random' is unknown; give 'even' or 'poisson'"),
    ],
)
def test_bad_parameter_is_named(make, text) -> None:
    """The error names the parameter, its value, the bound and what to give."""
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value).startswith(text)
