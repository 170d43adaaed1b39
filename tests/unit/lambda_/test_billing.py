from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import PriceBook
from lambdasim.lambda_.billing import billed_milliseconds


@pytest.mark.rule("LAM-300")
@given(duration_us=st.integers(0, 900_000_000), init_us=st.integers(0, 10_000_000))
def test_billed_milliseconds_are_the_exact_sum_rounded_up_and_at_least_one(duration_us, init_us):
    assert billed_milliseconds(duration_us, init_us) == max(1, ceil(Fraction(duration_us + init_us, 1_000)))


@given(requests=st.integers(0, 10**9), gb_ms=st.integers(0, 10**12), arm=st.booleans())
def test_the_exact_cost_is_the_sum_of_both_parts(requests, gb_ms, arm):
    book = PriceBook()
    architecture = "arm64" if arm else "x86_64"
    price = Fraction(book.gb_second_arm if arm else book.gb_second_x86)
    wanted = Fraction(gb_ms, 1_000) * price + Fraction(requests, 10**6) * Fraction(book.requests_per_million)
    found = book.lambda_cost_exact(requests=requests, mb_ms=gb_ms * 1_024, architecture=architecture)
    assert abs(Fraction(found) - wanted) <= wanted / 10**20
    assert book.lambda_cost(requests=requests, mb_ms=gb_ms * 1_024, architecture=architecture) == found.quantize(
        Decimal("0.01")
    )
