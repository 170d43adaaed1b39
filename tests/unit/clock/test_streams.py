from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lambdasim.clock import Streams

NAMES = ("a", "b", "a/b", "")


def test_a_stream_of_a_name_is_one_and_the_same():
    streams = Streams(7)
    assert streams["x"] is streams["x"]
    assert streams["x"] is not streams["y"]


def test_a_stream_is_derived_from_seed_and_name_alone():
    """These figures are the same on every Python and every machine."""
    streams = Streams(0)
    assert [0.8702155759760954, 0.6559518477591739] == [streams["x"].random() for _ in range(2)]
    assert 0.3314522229247585 == Streams(1)["x"].random()
    assert 0.45820253414477885 == Streams(-1)["é"].random()


@given(st.integers(), st.lists(st.sampled_from(NAMES), max_size=30))
def test_a_draw_of_one_stream_moves_no_other(seed, draws):
    together = Streams(seed)
    found = {name: [] for name in NAMES}
    for name in draws:
        found[name].append(together[name].random())
    for name in NAMES:
        alone = Streams(seed)[name]
        assert found[name] == [alone.random() for _ in found[name]]


@given(st.integers(), st.integers())
def test_seeds_and_names_lead_to_streams_of_their_own(left, right):
    draws = [Streams(seed)[name].random() for seed in {left, right} for name in NAMES]
    assert len(draws) == len(set(draws))


def test_a_stream_is_a_random_of_the_standard_library():
    assert type(Streams(0)["x"]) is Random
