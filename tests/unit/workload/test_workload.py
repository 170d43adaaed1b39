from __future__ import annotations

from lambdasim import workload


def test_names_are_sorted_and_there() -> None:
    """The front door lists every public name once, in order, and each can be had."""
    assert sorted(set(workload.__all__)) == workload.__all__
    for name in workload.__all__:
        assert getattr(workload, name).__doc__
