"""
Strategies of Hypothesis for what goes into a simulation, and for events that a handler may get.

What they draw is accepted by SQS and Lambda, likes the limits, and shrinks to the simplest: a body of one character, a
queue as it is by default, nothing that goes wrong. Needs the extra `lambdasim[testing]`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from attrs import define, fields
from hypothesis import strategies as st

from lambdasim.errors import UsageError
from lambdasim.esm.events import EventMaker
from lambdasim.esm.limits import (
    BATCH_SIZE_MAX,
    BATCH_SIZE_MAX_WITHOUT_WINDOW,
    MAXIMUM_CONCURRENCY_MAX,
    MAXIMUM_CONCURRENCY_MIN,
    MINIMUM_POLLERS_MAX,
    POLLERS_MIN,
    REPORT_BATCH_ITEM_FAILURES,
    WINDOW_MAX_S,
    ProvisionedModel,
)
from lambdasim.faults import Faults
from lambdasim.simulation import Simulation
from lambdasim.sqs import Message
from lambdasim.sqs.content import ATTRIBUTES_MAX, rough_size_bytes
from lambdasim.sqs.limits import (
    BATCH_MAX,
    DELAY_MAX_S,
    MESSAGE_SIZE_MIN_BYTES,
    RETENTION_MAX_S,
    RETENTION_MIN_S,
    VISIBILITY_MAX_S,
    WAIT_MAX_S,
    SqsConfig,
)
from lambdasim.sqs.message import content_hash
from lambdasim.units import MICROSECONDS, Duration, seconds

_PAYLOAD_MAX_BYTES: Final = SqsConfig().max_payload_bytes
_EVENT_MAX_BYTES: Final = 6 * 1024 * 1024  # of an invocation (ESM-066)
_ATTRIBUTES_MAX_BYTES: Final = 800  # with a body, less than any queue takes (SQS-080)
_WORD_CHARACTERS: Final = "abcXYZ0129-_"
_TIMEOUT_MAX_S: Final = 900
_TIMEOUT_DEFAULT_S: Final = 3
_VISIBILITY_DEFAULT_S: Final = 30
_MEMORY_MIN_MB: Final = 128
_MEMORY_MAX_MB: Final = 10_240
_CONCURRENCY_MAX: Final = 900  # of one function: 100 of the account's 1,000 stay unreserved
_DEADLINES: Final = (30, 60, 300)  # a visibility timeout, a minute, the deduplication interval


# ---- messages

_CHARACTERS: Final = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[chr(code) for code in range(32) if chr(code) not in "\t\n\r"] + ["\ufffe", "\uffff"],
)
_BODIES: Final = ("0", "order 1", "{}", "[]", "null", '""', " ", "\t\r\n", "é", "✓ 𝄞", "\ufffd", "0" * 200)
_texts: Final = st.text(_CHARACTERS, min_size=1, max_size=12)
_leaves: Final = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(_CHARACTERS, max_size=8)
_documents: Final = st.dictionaries(st.sampled_from(("id", "n", "a")), _leaves, max_size=3).map(
    lambda document: json.dumps(document, ensure_ascii=False)
)


def message_bodies() -> st.SearchStrategy[str]:
    """
    Bodies that every queue takes: short texts, JSON, white space, characters of one to four bytes.

    At most 200 bytes; the simplest is `"0"`.
    """
    return st.one_of(st.sampled_from(_BODIES), _texts, _documents)


def message_attributes(*, min_size: int = 0, max_size: int = ATTRIBUTES_MAX) -> st.SearchStrategy[dict[str, Any]]:
    """
    Message attributes in AWS's form: `{"name": {"DataType": "String", "StringValue": "x"}, …}`.

    Texts, numbers and binary values, with and without a label of their own behind the type, as in `Number.int`; at most
    800 bytes together, so that every queue takes them.

    Args:
        min_size: How many there are at least.
        max_size: How many there are at most, up to 10.
    """
    labels = st.one_of(st.just(""), st.sampled_from((".int", ".png", ".a.b", ".é")))
    digits = st.sampled_from(("0", "-1", "7", "3.14", "+1e3", ".5", "1e126", "-1E-128", "9" * 38, "0." + "1" * 37))
    numbers = st.one_of(st.integers(-(10**9), 10**9).map(str), digits)
    value = st.one_of(
        _attribute("String", labels, "StringValue", _texts),
        _attribute("Number", labels, "StringValue", numbers),
        _attribute("Binary", labels, "BinaryValue", st.binary(min_size=1, max_size=12)),
    )
    return st.dictionaries(_attribute_names(), value, min_size=min_size, max_size=max_size).filter(
        lambda attributes: rough_size_bytes("", attributes) <= _ATTRIBUTES_MAX_BYTES
    )


def _attribute(
    kind: str, labels: st.SearchStrategy[str], member: str, values: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda label, value: {"DataType": kind + label, member: value}, labels, values)


def _attribute_names() -> st.SearchStrategy[str]:
    special = st.sampled_from(("a", "b", "a.b", "Content-Type", "awsome.x", "n" * 256))
    return st.one_of(special, st.text(_WORD_CHARACTERS, min_size=1, max_size=12))


_ids: Final = st.one_of(
    st.sampled_from(("a", "b", "c", "!", "t" * 128)), st.text("abcXYZ0129!-_.~", min_size=1, max_size=6)
)


def messages(
    *, fifo: bool = False, bodies: st.SearchStrategy[str] | None = None, content_based_deduplication: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Parameters of `send_message` by name, such as `{"message_body": "0"}`.

    Those of a standard queue may have a delay and a group (a tenant), those of a FIFO queue have a group and a
    deduplication id; all may have message attributes and a trace header.

    Args:
        fifo: Whether they go to a FIFO queue.
        bodies: What they say; None: `message_bodies()`.
        content_based_deduplication: Whether the FIFO queue does without deduplication ids; then some have none.
    """
    required: dict[str, st.SearchStrategy[Any]] = {"message_body": message_bodies() if bodies is None else bodies}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "message_attributes": message_attributes(max_size=3),
        "message_system_attributes": st.sampled_from(("Root=1-5759e988-bd862e3fe1be46a994272793", "x")).map(
            lambda header: {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
        ),
    }
    if fifo:
        required["message_group_id"] = _ids
        (optional if content_based_deduplication else required)["message_deduplication_id"] = _ids
    else:
        optional["delay_seconds"] = st.one_of(st.sampled_from((0, 1, DELAY_MAX_S)), st.integers(0, DELAY_MAX_S))
        optional["message_group_id"] = _ids
    return st.fixed_dictionaries(required, optional=optional)


def message_batches(
    *,
    fifo: bool = False,
    bodies: st.SearchStrategy[str] | None = None,
    content_based_deduplication: bool = False,
    min_size: int = 1,
    max_size: int = BATCH_MAX,
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """
    Entries of `send_message_batch`: parameters of `send_message`, and an `id` that is unique in the batch.

    Args:
        fifo: Whether they go to a FIFO queue.
        bodies: What they say; None: `message_bodies()`. Batches above 1 MiB are not drawn.
        content_based_deduplication: Whether the FIFO queue does without deduplication ids; then some have none.
        min_size: How many entries there are at least.
        max_size: How many there are at most, up to 10.
    """
    entry = st.builds(
        lambda entry_id, message: {"id": entry_id, **message},
        st.one_of(st.sampled_from(("a", "b", "i" * 80)), st.text(_WORD_CHARACTERS, min_size=1, max_size=4)),
        messages(fifo=fifo, bodies=bodies, content_based_deduplication=content_based_deduplication),
    )
    batches = st.lists(entry, min_size=min_size, max_size=max_size, unique_by=lambda entry: str(entry["id"]))
    return batches.filter(lambda batch: sum(map(_size_of, batch)) <= _PAYLOAD_MAX_BYTES)


def _size_of(message: Mapping[str, Any]) -> int:
    return rough_size_bytes(message["message_body"], message.get("message_attributes"))


# ---- events


def sqs_events(
    *,
    fifo: bool = False,
    duplicates: bool = False,
    min_records: int = 1,
    max_records: int = 10,
    bodies: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Events as Lambda gets them from SQS, for tests of a handler alone: `{"Records": [{"messageId": …, …}, …]}`.

    Every field is there with AWS's type: digests are right, nothing is received before it was sent, and a message that
    was received before has a count to show for it. In an event of a FIFO queue, the messages of a group stand together
    in the order of their sequence numbers. Some events come from a dead-letter queue, some from a mapping with a
    batching window, whose records have `md5OfMessageAttributes` even if it is null.

    Args:
        fifo: Whether they come from a FIFO queue.
        duplicates: Whether a message may be in an event twice, as it may on a standard queue: the second record has
            another receipt handle and a higher count.
        min_records: How many records there are at least.
        max_records: How many there are at most; without a batching window AWS sends up to 10, with one up to 10,000.
        bodies: What the messages say; None: `message_bodies()`.
    Raises:
        UsageError: Duplicates on a FIFO queue, or numbers that leave nothing.
    """
    if fifo and duplicates:
        msg = "duplicates=True: a FIFO queue does not have a message in one event twice"
        raise UsageError(msg)
    if not 1 <= min_records <= max_records:
        msg = f"min_records={min_records!r} and max_records={max_records!r}: it takes 1 <= min_records <= max_records"
        raise UsageError(msg)
    rows = {
        by_content: st.lists(
            st.tuples(
                messages(fifo=fifo, bodies=bodies, content_based_deduplication=by_content),
                _gaps_us,
                st.integers(1, 5),
                st.integers(0, 4),
                st.sampled_from((0, 0, 1)),
            ),
            min_size=min_records,
            max_size=max_records,
            unique_by=(lambda row: _deduplication_id(row[0])) if fifo else None,
        )
        for by_content in (False, True)
    }
    twice = st.lists(st.tuples(st.integers(0, max_records), st.integers(0, max_records)), max_size=max_records)
    events = [
        st.builds(
            _make_event,
            rows[by_content],
            twice if duplicates else st.just([]),
            by_content=st.just(by_content if fifo else None),
            seed=st.integers(0, 2**32),
            last_gap_us=_gaps_us,
            has_window=st.just(False) if fifo else st.booleans(),
            max_records=st.just(max_records),
        )
        for by_content in ((False, True) if fifo else (False,))
    ]
    return st.one_of(events).filter(_fits)


_gaps_us: Final = st.one_of(st.just(0), st.integers(0, 5 * MICROSECONDS))


def _make_event(
    rows: Sequence[tuple[dict[str, Any], int, int, int, int]],
    twice: Sequence[tuple[int, int]],
    *,
    by_content: bool | None,
    seed: int,
    last_gap_us: int,
    has_window: bool,
    max_records: int,
) -> dict[str, Any]:
    """
    Return an event.

    Args:
        rows: Of each message: parameters, time since the send before, receives, the share of the time since it could be
            received that passed before it was (in quarters), and its rank: lower ones come first, if nothing has an
            order.
        twice: Which record comes once more, and where: any numbers.
        by_content: Whether the queue finds duplicates by their bodies; None: it is no FIFO queue.
        seed: Of ids.
        last_gap_us: From when all could have been received to when they were.
        has_window: Whether the mapping has a batching window.
        max_records: How many there may be.
    """
    sim = Simulation(seed=seed, trace=0)
    is_fifo = by_content is not None
    if by_content is None:
        queue = sim.create_queue("orders")
    else:
        queue = sim.create_queue("orders.fifo", content_based_deduplication=by_content)
    records = []
    for parameters, gap_us, count, quarters, rank in rows:
        sim.run(until_us=sim.now_us + gap_us)
        message = queue.send_message(**parameters)._message
        available_us = sim.now_us + (parameters.get("delay_seconds") or 0) * MICROSECONDS
        records.append(_Received(message, available_us, count, quarters, rank))
    received_us = max(record.first_us for record in records) + last_gap_us
    records = _as_received_from_groups(records) if is_fifo else sorted(records, key=lambda record: record.rank)
    latest_us: dict[str | None, int] = {}  # by group
    for record in records:
        group = record.message.message_group_id
        earliest_us = max(record.first_us, latest_us.get(group, 0) if is_fifo else 0)
        passed_us = (received_us - earliest_us) * record.quarters // 4
        record.first_us = earliest_us + passed_us if record.count > 1 else received_us
        latest_us[group] = record.message.first_received_at_us = record.first_us
    for which, where in twice[: max_records - len(records)]:
        first = records[which % len(records)]
        places = [place for place, other in enumerate(records) if other.message is first.message]
        count = records[places[-1]].count + 1
        place = places[-1] + 1 + where % (len(records) - places[-1])
        records.insert(place, _Received(first.message, first.first_us, count))
    return EventMaker(queue, shows_empty_digest=has_window).event(
        [record.message for record in records], [record.count for record in records]
    )


def _fits(event: Mapping[str, Any]) -> bool:
    """Return whether an invocation takes an event."""
    bodies = sum(len(record["body"]) for record in event["Records"])
    return bodies < _EVENT_MAX_BYTES // 16 or len(json.dumps(event, ensure_ascii=False).encode()) <= _EVENT_MAX_BYTES


@define(eq=False)
class _Received:
    """A message as it is in an event."""

    message: Message
    first_us: int  # when it was received for the first time; until that is known, when it could be
    count: int
    quarters: int = 0
    rank: int = 0


def _deduplication_id(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("message_deduplication_id") or content_hash(parameters["message_body"]))


def _as_received_from_groups(records: Sequence[_Received]) -> list[_Received]:
    """
    Return messages of a FIFO queue in an order in which it hands them out, group by group.

    A message is received only together with those before it in its group, or when they are gone: so its count is never
    above theirs.
    """
    groups: dict[str | None, list[_Received]] = {}
    for record in records:
        groups.setdefault(record.message.message_group_id, []).append(record)
    for group in groups.values():
        for record, count in zip(group, sorted((record.count for record in group), reverse=True), strict=True):
            record.count = count
    return [record for group in groups.values() for record in group]


# ---- queues, functions and mappings


def _near(low: int, high: int, *marks: int) -> st.SearchStrategy[int]:
    """Whole numbers of a range that like its ends, and these marks in it."""
    liked = list(dict.fromkeys(mark for mark in (*marks, low, high) if low <= mark <= high))
    return st.one_of(st.sampled_from(liked), st.integers(low, high))


def queue_configurations(
    *, fifo: bool | None = None, queue_name: str = "orders", function_timeout: int = 1
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Keywords of `create_queue`, such as `{"queue_name": "orders", "visibility_timeout": 30}`.

    A redrive policy needs another queue: `sim.create_queue(**configuration, redrive_policy=RedrivePolicy(dlq, 3))`.

    Args:
        fifo: Whether they are FIFO queues; None: either.
        queue_name: Their name; that of a FIFO queue gets its `.fifo`.
        function_timeout: Seconds. No visibility timeout is below, so that a function with this timeout may read it.
    """
    common: dict[str, st.SearchStrategy[Any]] = {
        "visibility_timeout": _near(function_timeout, VISIBILITY_MAX_S, _VISIBILITY_DEFAULT_S, 1, 2),
        "delay_seconds": _near(0, DELAY_MAX_S, 1, 10),
        "message_retention_period": _near(RETENTION_MIN_S, RETENTION_MAX_S, 345_600),
        "maximum_message_size": _near(MESSAGE_SIZE_MIN_BYTES, _PAYLOAD_MAX_BYTES, 262_144),
        "receive_message_wait_time_seconds": _near(0, WAIT_MAX_S),
    }
    required = {}
    if function_timeout > _VISIBILITY_DEFAULT_S:
        required["visibility_timeout"] = common.pop("visibility_timeout")
    standard = st.fixed_dictionaries({"queue_name": st.just(queue_name), **required}, optional=common)
    name = queue_name if queue_name.endswith(".fifo") else f"{queue_name}.fifo"
    throughput = st.sampled_from(
        (
            {},
            {"deduplication_scope": "messageGroup"},
            {"deduplication_scope": "messageGroup", "fifo_throughput_limit": "perMessageGroupId"},
        )
    )
    ordered = st.builds(
        lambda configuration, more: {**configuration, **more},
        st.fixed_dictionaries(
            {"queue_name": st.just(name), "fifo_queue": st.just(True), **required},
            optional={**common, "content_based_deduplication": st.booleans()},
        ),
        throughput,
    )
    if fifo is None:
        return st.one_of(standard, ordered)
    return ordered if fifo else standard


def function_configurations(
    queue_configuration: Mapping[str, Any] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Keywords of `create_function`, such as `{"timeout": 3, "duration": 0.1}`; name and handler are yours.

    No duration is above the timeout: some end exactly at it, or one microsecond before.

    Args:
        queue_configuration: Of the queue that the function shall read; its visibility timeout is no shorter than any
            timeout drawn. None: of a queue as it is by default.
    """
    visibility_s = (queue_configuration or {}).get("visibility_timeout", _VISIBILITY_DEFAULT_S)
    timeout_s = _near(1, max(1, min(visibility_s, _TIMEOUT_MAX_S)), _TIMEOUT_DEFAULT_S)

    def with_timeout(timeout: int) -> st.SearchStrategy[dict[str, Any]]:
        limit_us = timeout * MICROSECONDS
        duration_us = _near(0, limit_us, MICROSECONDS // 10, MICROSECONDS, limit_us - 1)
        return st.fixed_dictionaries(
            {"timeout": st.just(timeout)},
            optional={
                "duration": duration_us.map(lambda us: us / MICROSECONDS),
                "memory_size": _near(_MEMORY_MIN_MB, _MEMORY_MAX_MB, 1_769),
                "reserved_concurrent_executions": _near(1, _CONCURRENCY_MAX, 2, 5),
            },
        )

    return timeout_s.flatmap(with_timeout)


def mapping_configurations(
    queue_configuration: Mapping[str, Any] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Keywords of `create_event_source_mapping`, such as `{"batch_size": 100, "maximum_batching_window_in_seconds": 1}`.

    More than 10 records only with a window, none of that on a FIFO queue; a maximum concurrency or pollers of its own
    (provisioned mode), never both.

    Args:
        queue_configuration: Of the queue that it shall read; None: of a standard queue as it is by default.
    """
    given = queue_configuration or {}
    is_fifo = bool(given.get("fifo_queue")) or str(given.get("queue_name", "")).endswith(".fifo")
    small = st.fixed_dictionaries({}, optional={"batch_size": _near(1, BATCH_SIZE_MAX_WITHOUT_WINDOW, 2)})
    windows = _near(1, WINDOW_MAX_S, 5)
    batching = small
    if not is_fifo:
        large = st.fixed_dictionaries(
            {"maximum_batching_window_in_seconds": windows},
            optional={"batch_size": _near(1, BATCH_SIZE_MAX, 10, 11, 100)},
        )
        batching = st.one_of(small, large)
    pollers_max = ProvisionedModel().max_allowed
    pollers = st.tuples(
        _near(POLLERS_MIN, MINIMUM_POLLERS_MAX), _near(POLLERS_MIN, pollers_max, MINIMUM_POLLERS_MAX)
    ).filter(lambda pair: pair[0] <= pair[1])
    scaling: st.SearchStrategy[dict[str, int]] = st.one_of(
        st.just({}),
        _near(MAXIMUM_CONCURRENCY_MIN, MAXIMUM_CONCURRENCY_MAX, 5).map(lambda limit: {"maximum_concurrency": limit}),
        pollers.map(lambda pair: {"minimum_pollers": pair[0], "maximum_pollers": pair[1]}),
    )
    others = st.fixed_dictionaries(
        {},
        optional={
            "function_response_types": st.just((REPORT_BATCH_ITEM_FAILURES,)),
            "metrics": st.just(("EventCount",)),
        },
    )
    return st.builds(
        lambda *parts: {key: value for part in parts for key, value in part.items()}, batching, scaling, others
    )


# ---- when, and what goes wrong


@st.composite
def arrival_times(
    draw: st.DrawFn,
    *,
    boundaries: Collection[Duration] = _DEADLINES,
    min_size: int = 1,
    max_size: int = 10,
) -> list[float]:
    """
    Instants at which something arrives, in seconds since the start, never decreasing.

    They like what happens at boundaries: exactly there, one microsecond before or after, counted from the start or from
    the arrival before. Several may come at once.

    Args:
        boundaries: Deadlines in seconds, such as the visibility timeout: `(30, 60, 300)` by default.
        min_size: How many there are at least.
        max_size: How many there are at most.

    `for at in times: sim.call_at(at, queue.send_message, "x")` sends at them.
    """
    marks_us = [seconds(boundary, name="boundaries") for boundary in boundaries]
    beside_us = st.builds(
        lambda mark_us, off_us: max(0, mark_us + off_us), st.sampled_from([0, *marks_us]), st.sampled_from((0, -1, 1))
    )
    steps = st.tuples(
        st.sampled_from(("after", "at")), st.one_of(beside_us, st.integers(0, 10).map(lambda s: s * MICROSECONDS))
    )
    at_us, found = 0, []
    for kind, step_us in draw(st.lists(steps, min_size=min_size, max_size=max_size)):
        at_us = at_us + step_us if kind == "after" else max(at_us, step_us)
        found.append(at_us / MICROSECONDS)
    return found


_SPANS: Final = st.sampled_from((0.5, 1, 5, 60))
# What is no probability. Those of crash_at and slow_init_s say how, not whether.
_OTHER_FAULTS: Final[Mapping[str, st.SearchStrategy[dict[str, Any]]]] = {
    "reorder_window": st.integers(2, 10).map(lambda count: {"reorder_window": count}),
    "short_poll_shards": st.integers(2, 4).flatmap(
        lambda shards: st.integers(1, shards - 1).map(
            lambda sample: {"short_poll_shards": shards, "short_poll_sample": sample}
        )
    ),
    "poll_wakeup": st.just({"poll_wakeup": "random"}),
    "approx_noise": st.sampled_from((0.1, 0.5)).map(lambda share: {"approx_noise": share}),
}


def fault_settings(
    names: Collection[str] | None = None, *, at_most: int = 3, highest: float = 0.5
) -> st.SearchStrategy[Faults]:
    """
    What may go wrong: `Faults(…)` for `Simulation(faults=…)`; the simplest is that nothing does.

    Args:
        names: Fields of `Faults` that may be on, such as `("duplicate_probability", "crash")`; None: any.
        at_most: How many are on at most.
        highest: The highest probability; where everything fails each time, no run comes to an end.
    Raises:
        UsageError: No such field, or one that only says how a fault looks.
    """
    made = _fault_strategies(highest)
    chosen = list(made if names is None else names)
    for name in chosen:
        if name not in made:
            msg = f"names={name!r} is no fault that can be on or off; there are {', '.join(made)}"
            raise UsageError(msg)
    return (
        st.lists(st.sampled_from(chosen), max_size=at_most, unique=True)
        .flatmap(lambda on: st.tuples(*(made[name] for name in on)))
        .map(lambda parts: Faults(**{key: value for part in parts for key, value in part.items()}))
    )


def _fault_strategies(highest: float) -> dict[str, st.SearchStrategy[dict[str, Any]]]:
    """Return what may be drawn for each field of `Faults` that turns something on."""
    found: dict[str, st.SearchStrategy[dict[str, Any]]] = {}
    for entry in fields(Faults):
        name = entry.name
        if name in _OTHER_FAULTS:
            found[name] = _OTHER_FAULTS[name]
        elif name.endswith("_s") and name not in {"duplicate_delay_s", "slow_init_s", "stall_s"}:
            found[name] = _SPANS.map(lambda span, name=name: {name: span})  # type: ignore[misc]
        elif isinstance(entry.default, float):
            weights = st.sampled_from((highest, highest / 10))
            found[name] = weights.map(lambda weight, name=name: {name: weight})  # type: ignore[misc]
    return found
