"""
Choices that were not the default, as sentences.

An option is worded as one of several answers to its question (`lost`, `at 0.5`); who reads a story has not heard the
question. What the table does not know is told by the name of its point.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol


class Departure(Protocol):
    """A choice that was not the default."""

    @property
    def point(self) -> str:
        """The name of the choice point, such as `sqs.duplicate`."""
        ...

    @property
    def words(self) -> str:
        """The option in words."""
        ...


def _again(words: str) -> str:
    delay = re.fullmatch(r"once more after (\S+) s", words)
    if delay is None or delay[1] == "0":
        return "SQS delivers it once more, though it is in flight"
    return f"SQS delivers it once more in {delay[1]} s, though it is in flight"


def _crash(words: str) -> str:
    share = re.fullmatch(r"at (\S+)", words)
    if share is None:
        return f"the process {words.replace('crash', 'crashes', 1)}"
    return {"0": "the process crashes before it begins", "1": "the process crashes when all is done"}.get(
        share[1], f"the process crashes after {share[1]} of its time"
    )


def _stall(words: str) -> str:
    return f"the handler is held up {words if words.startswith('until') else f'for {words}'}"


def _wait(words: str) -> str:
    return f"the next try comes after {words} the usual wait".replace("one and a half the", "one and a half times the")


def _tie(words: str) -> str:
    return f"{words if '#' in words else 'another one'} goes first, of those that are ready"


SENTENCES: Final[Mapping[str, str | Callable[[str], str]]] = {
    "clock.tie": _tie,
    "sqs.approx_noise": "a count of SQS is off: {}",
    "sqs.duplicate": _again,
    "sqs.long_poll_empty": "the long poll misses what comes in its last second",
    "sqs.lost_delete": "SQS answers that it is deleted, but it stays",
    "sqs.lost_receive_response": "the answer to the receive is lost: it is in flight, and nobody has it",
    "sqs.lost_send_ack": "it is sent, but the answer is lost",
    "sqs.poll_wakeup": "SQS serves not the oldest poll, but {}",
    "sqs.purge_swallow": "it is sent during a purge, and lost",
    "sqs.receive_fewer": "the receive returns only {}",
    "sqs.reorder": "SQS delivers {}",
    "sqs.short_poll": "the short poll does not ask all servers",
    "sqs.stale_delete_success": "an old receipt handle deletes it after all",
    "sqs.throttle": "SQS refuses the call",
    "lambda.caller_rate": "Lambda refuses: too many requests",
    "lambda.cold_start": "the init takes {}",
    "lambda.crash": _crash,
    "lambda.env_recycle": "the environment ends with this invocation",
    "lambda.environment": "not the environment that was used last, but {}",
    "lambda.failure": "the function fails",
    "lambda.proactive_init": "Lambda makes an environment in advance",
    "lambda.call_error": "Lambda refuses the call: 500",
    "lambda.call_throttled": "Lambda refuses the call as one too many",
    "lambda.call_lost": "the call has its effect, but the answer is lost",
    "lambda.response_lost": "the work is done, but the answer is lost",
    "lambda.service_error": "Lambda fails before anything runs",
    "lambda.stall": _stall,
    "async.delivery_fails": "the record does not reach its destination",
    "async.duplicate": "Lambda runs the event once more",
    "async.event_lost": "Lambda loses the event",
    "async.order": "Lambda tries another event first",
    "async.retry_delay": _wait,
    "esm.delete_fails": "a delete of the mapping fails: {}",
    "esm.disabled_by_lambda": "the mapping has no access any more",
    "esm.dispatch": "another poller of the mapping is served: {}",
    "esm.overshoot": "a poller of the mapping lives one turn longer",
    "esm.poll_error": "the receive of the mapping fails",
    "esm.poller_lost": "the poller of the mapping is {}",
    "esm.retry_delay": _wait,
    "esm.split_receive": "the receive of the mapping takes {} of what it could",
    "esm.system_error": "Lambda answers the mapping with error {}",
    "esm.window": "the mapping waits {}",
    "test.later": "it is sent {}",
}


def tell_departure(choice: Departure) -> str:
    """Return what was chosen, as a sentence that needs no question."""
    sentence = SENTENCES.get(choice.point)
    if sentence is None:
        return f"{choice.point}: {choice.words}"
    return sentence.format(choice.words) if isinstance(sentence, str) else sentence(choice.words)
