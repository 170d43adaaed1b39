"""
Strategies of Hypothesis for the values that users hand in. New features join them.

They like boundaries: most bugs of a simulator of time live one microsecond beside a deadline.
"""

from __future__ import annotations

from hypothesis import strategies as st

from lambdasim.units import seconds

MINUTE_US = seconds(60)

# ---- time


def near(*instants_us: int) -> st.SearchStrategy[int]:
    """One of these durations in µs, one microsecond less, or one more; never negative."""
    return st.builds(
        lambda instant_us, off: max(0, instant_us + off), st.sampled_from(instants_us), st.sampled_from((0, -1, 1))
    )


def durations_us(max_us: int = seconds(120)) -> st.SearchStrategy[int]:
    """Durations in µs that like whole seconds and minutes, and what lies right beside them."""
    marks = [mark for mark in (0, seconds(1), seconds(2), seconds(5), seconds(10), seconds(60)) if mark < max_us]
    return st.one_of(near(*marks), st.integers(0, max_us))


def instants_us(minutes: int = 5) -> st.SearchStrategy[int]:
    """Instants in µs that like the borders of the first minutes."""
    borders = [minute * MINUTE_US for minute in range(minutes)]
    return st.one_of(near(*borders), st.integers(0, minutes * MINUTE_US))


# ---- messages

bodies = st.one_of(
    st.sampled_from(("a", "order 1", '{"n":1}', "\t\r\n", "é", "✓ 𝄞")),
    st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters=[*map(chr, range(32)), "\ufffe", "\uffff"]),
        min_size=1,
        max_size=12,
    ),
)
"""Bodies that SQS carries (SQS-120)."""

illegal_characters = st.one_of(
    st.sampled_from((0x00, 0x08, 0x0B, 0x0C, 0x0E, 0x1F, 0xFFFE, 0xFFFF)), st.integers(0xD800, 0xDFFF)
).map(chr)
"""Characters that no body may have (SQS-120)."""

delays_s = st.one_of(st.sampled_from((0, 1, 2, 5, 10, 899, 900)), st.integers(0, 900))
"""`delay_seconds` of a message or a queue (SQS-080, SQS-162)."""

visibility_timeouts_s = st.one_of(st.sampled_from((0, 1, 2, 5, 10, 30, 43_199, 43_200)), st.integers(0, 43_200))
"""`visibility_timeout` of a call or a queue (SQS-080, SQS-201)."""

waits_s = st.one_of(st.sampled_from((0, 1, 2, 20)), st.integers(0, 20))
"""`wait_time_seconds` of a receive (SQS-200)."""

batch_limits = st.integers(1, 10)
"""`max_number_of_messages` of a receive (SQS-200)."""

# ---- queues

queue_names = st.text("abcXYZ019_-", min_size=1, max_size=80)
"""Names of standard queues (SQS-020)."""

queue_attributes = st.fixed_dictionaries(
    {},
    optional={
        "delay_seconds": delays_s,
        "maximum_message_size": st.one_of(st.sampled_from((1_024, 262_144, 1_048_576)), st.integers(1_024, 1_048_576)),
        "message_retention_period": st.one_of(st.sampled_from((60, 345_600, 1_209_600)), st.integers(60, 1_209_600)),
        "receive_message_wait_time_seconds": waits_s,
        "visibility_timeout": visibility_timeouts_s,
    },
)
"""Keywords of `create_queue`, without a redrive policy."""
