from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from lambdasim.clock import Identifiers

FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@given(st.integers(), st.text(max_size=5), st.integers(0, 2**48 - 1))
def test_an_identifier_has_the_form_of_a_version_4_uuid(seed, owner, number):
    text = Identifiers(seed).series("message", owner).text(number)
    assert FORM.fullmatch(text)
    assert 4 == UUID(text).version
    assert text == str(UUID(text))


def test_numbers_count_from_one():
    series = Identifiers(0).series("message", "a")
    assert [1, 2, 3] == [series.next() for _ in range(3)]
    assert 3 == series.last


def test_an_owner_that_is_made_again_goes_on_counting():
    identifiers = Identifiers(0)
    identifiers.series("message", "a").next()
    assert 2 == identifiers.series("message", "a").next()


@given(st.lists(st.sampled_from([("message", "a"), ("message", "b"), ("request", "a")]), max_size=30))
def test_series_do_not_move_one_another(asked):
    together = Identifiers(0)
    found = [(key, together.series(*key).text(together.series(*key).next())) for key in asked]
    for key in asked:
        alone = Identifiers(0).series(*key)
        expected = [alone.text(alone.next()) for other in asked if other == key]
        assert expected == [text for other, text in found if other == key]


def test_no_two_identifiers_are_alike():
    texts = [
        Identifiers(seed).series(kind, owner).text(number)
        for seed in (0, 1)
        for kind in ("message", "request")
        for owner in ("a", "b")
        for number in range(1, 200)
    ]
    assert len(texts) == len(set(texts))


def test_identifiers_are_derived_from_seed_kind_owner_and_number_alone():
    one, other = Identifiers(3), Identifiers(3)
    one.series("other", "z").next()
    assert one.series("message", "a").text(9) == other.series("message", "a").text(9)
    assert one.series("message", "a").digest == other.series("message", "a").digest
