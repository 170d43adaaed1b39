"""How things are put in words."""

from __future__ import annotations

import pytest

from lambdasim.clock.wording import listed, of_seconds, shorten, shown


class Broken:
    """Cannot be printed."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], ""),
        (["orders#1"], "orders#1"),
        (["orders#1", "orders#2"], "orders#1, #2"),
        (["orders#1", "orders#2", "orders#3"], "orders#1 to #3"),
        (["orders#3", "orders#2"], "orders#3, #2"),
        (["orders#1", "orders#3", "orders#4", "orders#5", "jobs#6"], "orders#1, #3 to #5, jobs#6"),
        (["a.fifo#9", "a.fifo#10", "thing", "a.fifo#11"], "a.fifo#9, #10, thing, a.fifo#11"),
        (["#1", "x#y"], "#1, x#y"),
    ],
)
def test_labels_are_listed_shortly(labels, text):
    """Ranges where numbers follow one another, and each name once."""
    assert text == listed(labels)


def test_long_texts_are_cut():
    """In one line, and no longer than asked for."""
    assert "a b c" == shorten("a\n  b\tc", 5)
    assert "abcde" == shorten("abcde", 5)
    assert "ab..." == shorten("abcdef", 5)


def test_values_are_shown_as_python_writes_them():
    """Strings are cut inside their quotes, and what cannot be printed does no harm."""
    assert "'a\\nb'" == shown("a\nb")
    assert "'ab...'" == shown("abcdef", 5)
    assert "[1, 2]" == shown([1, 2])
    assert "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11..." == shown(list(range(100)))
    assert "<unprintable Broken>" == shown(Broken())


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (-1, "-0.000001"), (1_234_000_000, "1,234"), (10_000_000, "10")],
)
def test_seconds_have_as_many_digits_as_needed(duration_us, text):
    """And a comma at each thousand."""
    assert text == of_seconds(duration_us)
