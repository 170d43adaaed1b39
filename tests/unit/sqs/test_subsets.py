from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim.sqs.faults import Subsets


@pytest.mark.rule("SQS-215")
@given(st.integers(1, 9), st.data())
def test_subsets_are_all_there_are_in_order(total, data):
    size = data.draw(st.integers(1, total))
    expected = list(combinations(range(total), size))
    assert len(expected) == len(Subsets(total, size))
    assert expected == list(Subsets(total, size))


def test_one_of_very_many_subsets_is_found_without_the_others():
    subsets = Subsets(60, 30)
    assert tuple(range(30)) == subsets[0]
    assert tuple(range(30, 60)) == subsets[len(subsets) - 1]


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_there_are_no_subsets_beyond(index):
    with pytest.raises(IndexError):
        Subsets(3, 2)[index]
