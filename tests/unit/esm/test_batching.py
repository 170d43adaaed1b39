from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdasim import BatchWindowModel, Clock, Queue, SqsConfig, ThrottleRetry
from lambdasim.esm.batching import largest_sure_message, plan_cut, plan_retry, plan_window_end
from lambdasim.esm.events import EventMaker
from tests.strategies import bodies, durations_us, near

SECOND = 1_000_000

# ---- windows


@given(
    previous_us=st.none() | durations_us(),
    waited_us=durations_us(),
    window_us=st.integers(1, 300).map(lambda seconds: seconds * SECOND),
    anchor=st.sampled_from(("previous_completion", "first_record")),
)
def test_a_window_ends_one_window_after_the_later_fitting_anchor(previous_us, waited_us, window_us, anchor):
    arrived_us = (previous_us or 0) + waited_us
    end_us = plan_window_end(arrived_us, previous_us, window_us, BatchWindowModel(anchor=anchor))
    candidates = [arrived_us + window_us]
    if anchor == "previous_completion" and previous_us is not None:
        candidates.insert(0, previous_us + window_us)
    assert end_us == next(candidate for candidate in candidates if candidate > arrived_us)
    assert arrived_us < end_us <= arrived_us + window_us


@pytest.mark.parametrize(("arrived", "ends"), [(21_999_999, 22_000_000), (22_000_000, 32_000_000)])
def test_a_window_that_has_just_passed_is_over(arrived, ends):
    assert plan_window_end(arrived, 12_000_000, 10_000_000, BatchWindowModel()) == ends


# ---- the payload limit


@given(
    held=st.lists(st.integers(2, 40), max_size=5),
    sizes=st.lists(st.integers(2, 40), max_size=12),
    limit=st.integers(14, 300),
)
def test_as_many_records_fit_as_the_json_of_the_event_allows(held, sizes, limit):
    def length(records):
        text = json.dumps({"Records": ["x" * (size - 2) for size in records]}, separators=(",", ":"))
        return len(text)

    wanted = 0
    while wanted < len(sizes) and length([*held, *sizes[: wanted + 1]]) <= limit:
        wanted += 1
    assert plan_cut(sum(held), len(held), sizes, limit) == wanted


@pytest.mark.rule("ESM-066", "ESM-089")
@pytest.mark.parametrize(
    ("held", "sizes", "fitting"),
    [
        ([], [86], 1),
        ([], [87], 0),
        ([], [40, 45], 2),
        ([], [40, 46], 1),
        ([40], [45], 1),
        ([40], [46], 0),
        ([20, 19], [45], 1),
        ([20, 20], [45], 0),
        ([20, 20], [], 0),
    ],
)
def test_an_event_of_exactly_the_limit_fits(held, sizes, fitting):
    """Of 100 bytes the frame takes 14, and each comma between two records one."""
    assert plan_cut(sum(held), len(held), sizes, 100) == fitting


@given(body=bodies, receive_count=st.integers(1, 9), digest=st.booleans())
def test_the_size_of_a_record_is_that_of_its_compact_json(body, receive_count, digest):
    queue = Queue("orders", Clock())
    queue.send_message(body)
    (message,) = queue.messages
    maker = EventMaker(queue, shows_empty_digest=digest)
    event = maker.event([message] * 3, [receive_count] * 3)
    whole = len(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())
    size = maker.size_bytes(message, receive_count)
    assert whole == len('{"Records":[,,]}') + 3 * size


WORST = ['"', "\\", "\t", "\x7f", "é", "✓", "𝄞", "\u2028", "\ufffd"]


@pytest.mark.parametrize("character", WORST)
@pytest.mark.parametrize("batch_size", [1, 6, 10, 500])
def test_no_batch_of_sure_bodies_reaches_the_limit(character, batch_size):
    limit = 6_291_456
    chars = min(largest_sure_message(batch_size, limit), 1_048_576 // len(character.encode()))
    queue = Queue("q" * 80, Clock(), settings=[SqsConfig(region="us-gov-northwest-1")])
    queue.send_message(character * chars)
    (message,) = queue.messages
    size = EventMaker(queue, shows_empty_digest=True).size_bytes(message, 1_000_000)
    assert plan_cut(0, 0, [size] * batch_size, limit) == batch_size


@pytest.mark.rule("ESM-066")
def test_what_surrounds_a_body_counts_where_bodies_are_small():
    """10,000 records of 100 characters each take more than 6 MB."""
    limit = 6_291_456
    queue = Queue("q" * 80, Clock())
    queue.send_message("x" * 100)
    (message,) = queue.messages
    size = EventMaker(queue, shows_empty_digest=True).size_bytes(message, 1)
    assert plan_cut(0, 0, [size] * 10_000, limit) < 10_000
    assert largest_sure_message(10_000, limit) < 100


# ---- retries


@given(
    now_us=durations_us(),
    retries=st.integers(0, 40),
    left_us=near(*(SECOND * seconds for seconds in (1, 2, 3, 5, 9, 11, 19, 23, 40))),
    timeout=st.integers(1, 10),
    model=st.sampled_from(
        (ThrottleRetry(), ThrottleRetry.SEED, ThrottleRetry(base_s=2, factor=1), ThrottleRetry(base_s=3, max_delay_s=2))
    ),
)
def test_a_batch_is_tried_again_unless_too_little_of_its_visibility_would_be_left(
    now_us, retries, left_us, timeout, model
):
    delay = min(Fraction(model.base_s) * model.factor**retries, Fraction(model.max_delay_s))
    left = Fraction(left_us, SECOND) - delay
    is_dropped = left <= 0 if model.drop_rule == "visibility_exceeded" else left < timeout
    again = plan_retry(now_us, retries, now_us + left_us, timeout * SECOND, model).at_us
    assert again == (None if is_dropped else now_us + delay * SECOND)


@pytest.mark.rule("ESM-172", "ESM-174")
@pytest.mark.parametrize(
    ("drop_rule", "left_us", "is_dropped"),
    [  # what is left of the visibility timeout; the retry is after 1 s, the function has 3 s
        ("visibility_exceeded", SECOND - 1, True),
        ("visibility_exceeded", SECOND, True),  # the message is visible again at that instant
        ("visibility_exceeded", SECOND + 1, False),
        ("remaining_below_timeout", 4 * SECOND - 1, True),
        ("remaining_below_timeout", 4 * SECOND, False),  # what is left is enough, to the microsecond
    ],
)
def test_whether_a_throttled_batch_is_dropped_at_the_border(drop_rule, left_us, is_dropped):
    again = plan_retry(500, 0, 500 + left_us, 3 * SECOND, ThrottleRetry(drop_rule=drop_rule))
    assert again.at_us == (None if is_dropped else 500 + SECOND)


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_the_delay_of_a_late_retry_is_no_more_work_than_that_of_an_early_one(factor):
    """A batch that is tried every millisecond of twelve hours has 43 million retries: no power with so many digits."""

    class Watched(int):
        def __pow__(self, exponent):
            assert exponent <= 64
            return int(self) ** exponent

    model = ThrottleRetry(base_s=Decimal("0.001"), factor=Watched(factor), max_delay_s=Decimal("0.01"))
    for retries in (0, 10, 40, 43_200_000):
        exact = min(1_000 * factor ** min(retries, 100), 10_000)
        assert plan_retry(0, retries, 10**12, SECOND, model).at_us == exact


def test_the_delays_of_the_defaults_are_1_2_4_8_16_and_20_s_from_then_on():
    never = 10**12
    delays = [plan_retry(0, retries, never, SECOND, ThrottleRetry()).at_us for retries in range(8)]
    assert delays == [seconds * SECOND for seconds in (1, 2, 4, 8, 16, 20, 20, 20)]
