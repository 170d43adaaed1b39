"""
Amazon SQS as plain lists that are scanned from end to end, to compare the simulator with.

It is written from the rules of the specification, not from the code: there are no heaps, timers or caches, and where a
message is follows from a few instants each time somebody asks. Comments name the rule that a line stands for.

Nothing in here is random, and nothing happens by itself but in `Model.advance`. An operation returns what AWS would
answer or raises `RefusedError`; ids and handles are numbers and objects, which whoever compares pairs with the texts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Any

from lambdasim import SqsConfig

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
EPOCH_US = 1_767_225_600 * SECOND_US  # 2026-01-01T00:00:00Z, the default start (SQS-001)
VISIBILITY_MAX_S = 43_200
ATTEMPT_S = 300  # SQS-360
TENANT_S = 300  # SQS-313
ARN = "arn:aws:sqs:us-east-1:123456789012:"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/"
DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
FIFO_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoQueue": "true",
    "FifoThroughputLimit": "perQueue",
}
WRONG_TYPE = "The request include parameter that is not valid for this queue type."
NO_DEDUPLICATION_ID = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)


class RefusedError(Exception):
    """An error of AWS: its code and its text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def no_queue() -> RefusedError:
    return RefusedError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")  # SQS-025


def bad_value(text: str) -> RefusedError:
    return RefusedError("InvalidParameterValue", text)


def bad_handle(text: str) -> RefusedError:
    return RefusedError("ReceiptHandleIsInvalid", text)


def missing(parameter: str) -> RefusedError:
    return RefusedError("MissingParameter", f"The request must contain the parameter {parameter}.")


def no_resource(parameter: str) -> RefusedError:
    return RefusedError(
        "ResourceNotFoundException", f"The resource that you specified for the {parameter} parameter doesn't exist."
    )


def digest(text: str) -> str:
    return md5(text.encode()).hexdigest()  # SQS-140


def digest_of_attributes(attributes: dict[str, dict[str, Any]]) -> str | None:
    """SQS-141."""
    if not attributes:
        return None

    def framed(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    fed = b""
    for name in sorted(attributes):
        kind = attributes[name]["DataType"]
        fed += framed(name.encode()) + framed(kind.encode())
        if kind.startswith("Binary"):
            fed += b"\x02" + framed(attributes[name]["BinaryValue"])
        else:
            fed += b"\x01" + framed(attributes[name]["StringValue"].encode())
    return md5(fed).hexdigest()


def size_of(body: str, attributes: dict[str, dict[str, Any]]) -> int:
    """SQS-123."""
    size = len(body.encode())
    for name, value in attributes.items():
        content = value.get("StringValue", "").encode() or value.get("BinaryValue", b"")
        size += len(name.encode()) + len(value["DataType"].encode()) + len(content)
    return size


@dataclass(eq=False)
class Handle:
    """What one delivery hands out; *text* is filled in by whoever compares."""

    queue: str
    message: Msg | None  # None: made up by somebody
    delivery: int
    text: str = ""


@dataclass(eq=False)
class Msg:
    """A message in one queue. Moved, another object with the same number stands for it."""

    number: int  # stands for the MessageId
    body: str
    attributes: dict[str, dict[str, Any]]
    trace: str | None
    group: str | None
    deduplication_id: str | int | None  # a number: the MessageId that it stands for (SQS-435)
    sent_us: int
    base_us: int  # retention counts from here
    entered_us: int  # the age counts from here
    available_us: int
    rank_us: int  # its place in line as long as it was not received often
    seq: int
    count: int = 0
    own_count: int = 0
    first_us: int | None = None
    received_us: int = 0
    deadline_us: int = 0
    was_changed: bool = False  # the visibility of this delivery (SQS-362)
    source: str | None = None
    gone: str | None = None  # how it left
    handle: Handle | None = None

    def state(self, now_us: int) -> str:
        """SQS-230."""
        if self.own_count == 0 and now_us < self.available_us:
            return "delayed"
        if self.own_count > 0 and now_us < self.deadline_us:
            return "in flight"
        return "visible"

    @property
    def since_us(self) -> int:
        """When it last became visible (SQS-324)."""
        return self.deadline_us if self.own_count else self.available_us


@dataclass(frozen=True)
class Given:
    """A message as one answer showed it."""

    number: int
    handle: Handle
    body: str
    count: int
    sent_us: int
    first_us: int
    group: str | None
    deduplication_id: str | int | None
    seq: int
    trace: str | None
    source: str | None
    attributes: dict[str, dict[str, Any]]
    is_fifo: bool

    def system_attributes(self, sender_id: str) -> dict[str, Any]:
        """SQS-150; ids and sequence numbers as numbers."""
        found: dict[str, Any] = {
            "SenderId": sender_id,
            "SentTimestamp": str((EPOCH_US + self.sent_us) // 1000),
            "ApproximateReceiveCount": str(self.count),
            "ApproximateFirstReceiveTimestamp": str((EPOCH_US + self.first_us) // 1000),
        }
        if self.group is not None:
            found["MessageGroupId"] = self.group
        if self.is_fifo:
            found["MessageDeduplicationId"] = self.deduplication_id
            found["SequenceNumber"] = self.seq
        if self.trace is not None:
            found["AWSTraceHeader"] = self.trace
        if self.source is not None:
            found["DeadLetterQueueSourceArn"] = ARN + self.source
        return found

    def chosen_attributes(self, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """SQS-213."""
        found = {}
        for name, value in self.attributes.items():
            for asked in names:
                if asked in {"All", ".*", "*", name} or (asked.endswith(".*") and name.startswith(asked[:-2])):
                    found[name] = value
        return found


@dataclass(frozen=True)
class Sent:
    """The answer to a send; *seq* is None on a standard queue."""

    number: int
    seq: int | None
    md5_of_body: str
    md5_of_attributes: str | None
    md5_of_system_attributes: str | None


@dataclass(eq=False)
class Poll:
    """An open long poll."""

    queue: ModelQueue
    limit: int
    timeout_s: int | None
    end_us: int
    attempt: str | None
    answers: list[Any]


@dataclass(eq=False)
class Remembered:
    """A deduplication id (SQS-340): the key has the scope in force, since when, and the group where it counts."""

    key: tuple[Any, ...]
    at_us: int
    number: int
    seq: int


@dataclass(eq=False)
class Attempt:
    """A receive that may be repeated (SQS-360)."""

    name: str
    first_us: int
    handles: list[Handle]


@dataclass(eq=False)
class Task:
    """A move task (SQS §19); *text* is its handle, filled in by whoever compares."""

    source: ModelQueue
    destination: str | None
    rate: int | None
    started_us: int
    to_move: int
    planned: int  # when its next step was put on the agenda, among all of them (LAM-002)
    steps: int = 0
    moved: int = 0
    status: str = "RUNNING"
    reason: str | None = None
    text: str = ""

    @property
    def next_us(self) -> int:
        return self.started_us + self.steps * SECOND_US // (self.rate or 500)  # SQS-462


@dataclass(eq=False)
class ModelQueue:
    """A queue."""

    name: str
    config: SqsConfig
    attributes: dict[str, str]
    created_us: int
    modified_us: int
    scopes: list[tuple[int, str]]  # which scope governs from when on
    seq: int = 0
    messages: list[Msg] = field(default_factory=list)  # in order of arrival
    memory: list[Remembered] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    sends: list[tuple[int, str | None]] = field(default_factory=list)  # of which tenants
    purged_us: int | None = None
    grouped_us: int | None = None  # when a message with a group came first
    deleted_us: int | None = None
    events: list[tuple[int, str, int]] = field(default_factory=list)
    gauges: dict[int, dict[str, float]] = field(default_factory=dict)

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def inflight_limit(self) -> int:
        return self.config.inflight_limit_fifo if self.is_fifo else self.config.inflight_limit_standard

    def number(self, attribute: str) -> int:
        return int(self.attributes[attribute])

    def note(self, now_us: int, kind: str, amount: int = 1) -> None:
        self.events.append((now_us, kind, amount))

    def total(self, kind: str) -> int:
        return sum(amount for _, noted, amount in self.events if noted == kind)

    def request(self, now_us: int, size: int = 0) -> None:
        """SQS-604."""
        self.note(now_us, "request")
        self.note(now_us, "billed", max(1, -(-size // 65_536)))

    def in_state(self, state: str, now_us: int) -> list[Msg]:
        return [message for message in self.messages if message.state(now_us) == state]

    def leave(self, message: Msg, how: str) -> None:
        self.messages.remove(message)
        message.gone = how

    def rank(self, message: Msg) -> tuple[int, int]:
        """SQS-300 to SQS-304."""
        after = self.config.requeue_to_back_after
        if after is not None and message.own_count >= after:
            return message.since_us, message.seq
        return message.rank_us, message.seq

    def age_us(self, messages: list[Msg], now_us: int) -> int:
        """SQS-601."""
        after = None if self.is_fifo else self.config.requeue_to_back_after
        ages = [now_us - message.entered_us for message in messages if after is None or message.own_count < after]
        return max(ages, default=0)

    # ---- fair queues

    def noisy(self, now_us: int) -> list[str]:
        """SQS-311, SQS-313."""
        if self.is_fifo or self.config.fair_queues == "off":
            return []
        flying = self.in_state("in flight", now_us)
        found = []
        for tenant in sorted({message.group for message in flying if message.group is not None}):
            own = sum(message.group == tenant for message in flying)
            is_loud = own >= 30 and 10 * own > len(flying)
            has_backlog = any(m.group == tenant and m.state(now_us) != "in flight" for m in self.messages)
            has_sent = any(group == tenant and now_us - at_us < TENANT_S * SECOND_US for at_us, group in self.sends)
            if is_loud and has_backlog and has_sent:
                found.append(tenant)
        return found

    # ---- FIFO

    def scope(self, now_us: int) -> tuple[int, str]:
        """SQS-346."""
        return [entry for entry in self.scopes if entry[0] <= now_us][-1]

    def window_ends_us(self) -> list[int]:
        return [entry.at_us + self.config.dedup_window_s * SECOND_US for entry in self.memory]

    def change_scope(self, now_us: int, scope: str) -> None:
        """What is not yet in force is dropped for what is set now."""
        in_force = self.scope(now_us)
        self.scopes = [in_force]
        if scope != in_force[1]:
            self.scopes.append((now_us + self.config.dedup_scope_propagation_s * SECOND_US, scope))

    def eligible(self, now_us: int) -> list[list[Msg]]:
        """Of each group that may be delivered from, the run of its messages that may be (SQS-321, SQS-322)."""
        groups: dict[str | None, list[Msg]] = {}
        for message in self.messages:
            groups.setdefault(message.group, []).append(message)
        runs = []
        for members in groups.values():
            run = []
            for message in members:
                if message.state(now_us) != "visible":
                    break
                run.append(message)
            if run:
                runs.append(run)
        return runs


class Model:
    """All queues of an account, open polls, move tasks, and the instant it is."""

    def __init__(self) -> None:
        self.now_us = 0
        self.queues: dict[str, ModelQueue] = {}
        self.gone: list[ModelQueue] = []  # those that were deleted
        self.deleted_us: dict[str, int] = {}  # by name, of the last one
        self.polls: list[Poll] = []  # in the order in which they began
        self.tasks: list[Task] = []
        self.numbers = 0
        self.planned = 0
        self.stirs = 0  # deliveries and moves so far

    def find(self, name: str) -> ModelQueue:
        if name not in self.queues:
            raise no_queue()
        return self.queues[name]

    def messages_in(self, name: str, state: str) -> list[Msg]:
        return self.queues[name].in_state(state, self.now_us) if name in self.queues else []

    # ---- time

    def due_us(self) -> list[int]:
        """Instants to come at which something happens by itself."""
        found = [poll.end_us for poll in self.polls]
        found += [task.next_us for task in self.tasks if task.status == "RUNNING"]
        for queue in self.queues.values():
            retention_us = queue.number("MessageRetentionPeriod") * SECOND_US
            for message in queue.messages:
                found.append(message.base_us + retention_us)
                if message.state(self.now_us) != "visible":
                    found.append(message.since_us)
        return [at_us for at_us in found if at_us > self.now_us]

    def boundaries_us(self) -> list[int]:
        """Instants to come at which anything changes, also what only a call would notice."""
        found = self.due_us()
        found += [at_us + 60 * SECOND_US for at_us in self.deleted_us.values()]
        for queue in self.queues.values():
            found += [from_us for from_us, _ in queue.scopes]
            found += queue.window_ends_us()
            found += [attempt.first_us + ATTEMPT_S * SECOND_US for attempt in queue.attempts]
            if queue.purged_us is not None:
                found.append(queue.purged_us + queue.config.purge_interval_s * SECOND_US)
            if queue.noisy(self.now_us):
                found.append(max(at_us for at_us, _ in queue.sends) + TENANT_S * SECOND_US)
        return sorted({at_us for at_us in found if at_us > self.now_us})

    def advance(self, to_us: int, *, stop: Any = lambda: False) -> None:
        """Let time pass; with *stop*, only until it holds after an instant at which something was due."""
        while True:
            border_us = (self.now_us // MINUTE_US + 1) * MINUTE_US
            at_us = min([to_us, border_us, *self.due_us()])
            if at_us > self.now_us:
                self.take_gauges()
            self.now_us = at_us
            self.happen()
            if at_us == to_us or stop():
                return

    def happen(self) -> None:
        """What is due at this instant, in the order of SQS-004."""
        for queue in self.queues.values():  # (1); what (2) ends is over by the instants alone
            self.expire(queue)
        self.take_steps()  # (3)
        self.wake()  # (4)
        for poll in list(self.polls):  # (5)
            if poll.end_us <= self.now_us:
                self.polls.remove(poll)
                self.answer(poll.queue, [], poll.attempt, poll.answers)

    def take_gauges(self) -> None:
        """Gauges are those after all that happened at the instant at which the minute ended (SQS-602)."""
        now_us = self.now_us
        if now_us % MINUTE_US:
            return
        for queue in self.queues.values():
            noisy = queue.noisy(now_us)
            quiet = [message for message in queue.messages if message.group not in noisy]
            row: dict[str, float] = {"ApproximateAgeOfOldestMessage": queue.age_us(queue.messages, now_us) / SECOND_US}
            row["ApproximateAgeOfOldestMessageInQuietGroups"] = queue.age_us(quiet, now_us) / SECOND_US
            for state, name in (("visible", "Visible"), ("in flight", "NotVisible"), ("delayed", "Delayed")):
                row[f"ApproximateNumberOfMessages{name}"] = len(queue.in_state(state, now_us))
                row[f"ApproximateNumberOfMessages{name}InQuietGroups"] = sum(m.state(now_us) == state for m in quiet)
            groups = {message.group for message in queue.in_state("in flight", now_us)}
            row["ApproximateNumberOfGroupsWithInflightMessages"] = len(groups)
            row["ApproximateNumberOfNoisyGroups"] = len(noisy)
            has_groups = queue.grouped_us is not None and queue.grouped_us < now_us
            row["is fair"] = has_groups and queue.config.fair_queues != "off"
            queue.gauges[now_us] = row

    def expire(self, queue: ModelQueue) -> None:
        """SQS-400."""
        for message in list(queue.messages):
            if self.now_us - message.base_us >= queue.number("MessageRetentionPeriod") * SECOND_US:
                queue.leave(message, "expired")
                queue.note(self.now_us, "expired")

    # ---- queues

    def create(self, name: str, given: dict[str, str], config: SqsConfig) -> None:
        if name in self.queues:
            current = self.queues[name].attributes  # SQS-041, SQS-042
            for attribute in sorted(given):
                if not same_value(attribute, given[attribute], current.get(attribute)):
                    text = f"A queue already exists with the same name and a different value for attribute {attribute}"
                    raise RefusedError("QueueAlreadyExists", text)
            return
        if name in self.deleted_us and self.now_us - self.deleted_us[name] < 60 * SECOND_US:  # SQS-043
            text = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
            raise RefusedError("AWS.SimpleQueueService.QueueDeletedRecently", text)
        attributes = {**DEFAULTS, **(FIFO_DEFAULTS if name.endswith(".fifo") else {}), **given}
        if "RedrivePolicy" in given:
            self.check_policy(name, given["RedrivePolicy"])
        now_us = self.now_us
        scopes = [(now_us, attributes.get("DeduplicationScope", "queue"))]
        self.queues[name] = ModelQueue(name, config, attributes, now_us, now_us, scopes)

    def check_policy(self, name: str, policy: str) -> None:
        """SQS-101, as far as the texts are well-formed."""
        target = json.loads(policy)["deadLetterTargetArn"].removeprefix(ARN)
        reason = None
        if target not in self.queues and target != name:
            reason = "Dead letter target does not exist."
        elif target.endswith(".fifo") != name.endswith(".fifo"):
            reason = "Dead-letter queue must be same type of queue as the source.."
        if reason:
            raise bad_value(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}")

    def delete_queue(self, name: str) -> None:
        queue = self.find(name)
        del self.queues[name]
        queue.deleted_us = self.now_us
        self.gone.append(queue)
        self.deleted_us[name] = self.now_us
        for message in list(queue.messages):  # SQS-060
            queue.leave(message, "lost with its queue")
        for poll in list(self.polls):  # SQS-062
            if poll.queue is queue:
                self.polls.remove(poll)
                poll.answers.append((self.now_us, no_queue()))
        self.wake()

    def get_queue_url(self, name: str) -> str:
        self.find(name).request(self.now_us)
        return URL + name  # SQS-050

    def list_queues(self, prefix: str) -> list[str]:
        return [URL + name for name in sorted(self.queues) if name.startswith(prefix)]  # SQS-051

    def sources_of(self, name: str) -> list[str]:
        """The queues whose policy names this one (SQS-053)."""
        found = []
        for queue in self.queues.values():
            target = self.policy_of(queue)
            if target is not None and target[0] == name:
                found.append(queue.name)
        return sorted(found)

    def list_dead_letter_source_queues(self, name: str) -> list[str]:
        queue = self.find(name)
        found = [URL + source for source in self.sources_of(name)]
        queue.request(self.now_us)
        return found

    def policy_of(self, queue: ModelQueue) -> tuple[str, int] | None:
        text = queue.attributes.get("RedrivePolicy")
        if text is None:
            return None
        policy = json.loads(text)
        return policy["deadLetterTargetArn"].removeprefix(ARN), int(policy["maxReceiveCount"])

    def get_queue_attributes(self, name: str) -> dict[str, str]:
        """All of them (SQS-088, SQS-089)."""
        queue, now_us = self.find(name), self.now_us
        queue.request(now_us)
        return {
            **queue.attributes,
            "ApproximateNumberOfMessages": str(len(queue.in_state("visible", now_us))),
            "ApproximateNumberOfMessagesNotVisible": str(len(queue.in_state("in flight", now_us))),
            "ApproximateNumberOfMessagesDelayed": str(len(queue.in_state("delayed", now_us))),
            "CreatedTimestamp": str((EPOCH_US + queue.created_us) // SECOND_US),
            "LastModifiedTimestamp": str((EPOCH_US + queue.modified_us) // SECOND_US),
            "QueueArn": ARN + name,
        }

    def set_queue_attributes(self, name: str, changes: dict[str, str]) -> None:
        """SQS-085, SQS-086, SQS-092."""
        queue, now_us = self.find(name), self.now_us
        for attribute in sorted(changes):
            if attribute == "RedrivePolicy" and changes[attribute]:
                self.check_policy(name, changes[attribute])
        for attribute, value in changes.items():
            if attribute == "DelaySeconds" and queue.is_fifo:
                for message in queue.in_state("delayed", now_us):
                    message.available_us = max(now_us, message.sent_us + int(value) * SECOND_US)
            if attribute == "DeduplicationScope" and value != queue.attributes[attribute]:
                queue.change_scope(now_us, value)
            if value:
                queue.attributes[attribute] = value
            else:
                queue.attributes.pop(attribute, None)
        queue.modified_us = now_us
        queue.request(now_us)
        self.expire(queue)
        self.wake()

    def purge(self, name: str) -> None:
        queue, now_us = self.find(name), self.now_us
        interval_us = queue.config.purge_interval_s * SECOND_US
        if queue.purged_us is not None and now_us - queue.purged_us < interval_us:  # SQS-481
            text = f"Only one PurgeQueue operation on {name} is allowed every 60 seconds."
            raise RefusedError("AWS.SimpleQueueService.PurgeQueueInProgress", text)
        queue.purged_us = now_us
        for message in list(queue.messages):  # SQS-480
            queue.leave(message, "purged")
            queue.note(now_us, "purged")
        queue.memory.clear()
        queue.request(now_us)
        self.wake()

    # ---- sending

    def send(self, name: str, entry: dict[str, Any]) -> Sent:
        queue = self.find(name)
        self.check_send(queue, entry)
        answer = self.accept(queue, entry)
        queue.request(self.now_us, size_of(entry["message_body"], entry.get("message_attributes") or {}))
        self.wake()
        return answer

    def check_send(self, queue: ModelQueue, entry: dict[str, Any]) -> None:
        """SQS-161."""
        if not entry.get("message_body"):
            raise missing("MessageBody")  # SQS-122
        if "\0" in entry["message_body"]:  # SQS-121; the tests use no other illegal character
            text = (
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
                "#xE000 to #xFFFD | #x10000 to #x10FFFF"
            )
            raise RefusedError("InvalidMessageContents", text)
        delay_s = entry.get("delay_seconds")
        if delay_s is not None and not 0 <= delay_s <= 900:  # SQS-162
            reason = "DelaySeconds must be >= 0 and <= 900."
            raise bad_value(f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: {reason}")
        if queue.is_fifo and delay_s:  # SQS-167
            raise bad_value(f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: {WRONG_TYPE}")
        self.check_fifo_needs(queue, entry, "MissingParameter")
        deduplication_id = entry.get("message_deduplication_id")
        if not queue.is_fifo and deduplication_id is not None:  # SQS-164
            raise bad_value(
                f"Value {deduplication_id} for parameter MessageDeduplicationId is invalid. Reason: {WRONG_TYPE}"
            )

    def check_fifo_needs(self, queue: ModelQueue, entry: dict[str, Any], code: str) -> None:
        """SQS-166, SQS-186."""
        if not queue.is_fifo:
            return
        if entry.get("message_group_id") is None:
            raise RefusedError(code, "The request must contain the parameter MessageGroupId.")
        is_by_content = queue.attributes["ContentBasedDeduplication"] == "true"
        if entry.get("message_deduplication_id") is None and not is_by_content:
            raise bad_value(NO_DEDUPLICATION_ID)

    def accept(self, queue: ModelQueue, entry: dict[str, Any]) -> Sent:
        """Put a message in, or recognise that it is there already."""
        now_us = self.now_us
        body, group = entry["message_body"], entry.get("message_group_id")
        attributes = entry.get("message_attributes") or {}
        trace = entry.get("trace")
        digests = (
            digest(body),
            digest_of_attributes(attributes),
            digest_of_attributes({"AWSTraceHeader": {"DataType": "String", "StringValue": trace}} if trace else {}),
        )
        deduplication_id, key = None, None
        delay_s = entry.get("delay_seconds")
        if queue.is_fifo:
            delay_s = None  # SQS-167
            deduplication_id = entry.get("message_deduplication_id") or sha256(body.encode()).hexdigest()  # SQS-343
            since_us, scope = queue.scope(now_us)
            key = (since_us, group if scope == "messageGroup" else None, deduplication_id)  # SQS-342
            for known in queue.memory:
                if known.key == key and now_us - known.at_us < queue.config.dedup_window_s * SECOND_US:  # SQS-340
                    queue.note(now_us, "deduplicated")
                    return Sent(known.number, known.seq, *digests)  # SQS-344
        if delay_s is None:
            delay_s = queue.number("DelaySeconds")  # SQS-168
        message = self.enter(queue, body, attributes, trace, group, deduplication_id, delay_s)
        queue.note(now_us, "sent")
        queue.note(now_us, "size", size_of(body, attributes))
        queue.sends.append((now_us, group))
        if queue.is_fifo:
            queue.memory.append(Remembered(key, now_us, message.number, message.seq))
        return Sent(message.number, message.seq if queue.is_fifo else None, *digests)

    def enter(
        self,
        queue: ModelQueue,
        body: str,
        attributes: dict[str, dict[str, Any]],
        trace: str | None,
        group: str | None,
        deduplication_id: str | int | None,
        delay_s: int,
    ) -> Msg:
        """A new message (SQS-169)."""
        now_us = self.now_us
        self.numbers += 1
        queue.seq += 1
        message = Msg(
            self.numbers,
            body,
            attributes,
            trace,
            group,
            deduplication_id,
            sent_us=now_us,
            base_us=now_us,
            entered_us=now_us,
            available_us=now_us + delay_s * SECOND_US,
            rank_us=now_us,
            seq=queue.seq,
        )
        self.line_up(queue, message)
        return message

    def line_up(self, queue: ModelQueue, message: Msg) -> None:
        queue.messages.append(message)
        self.expire(queue)  # a message that was moved may be too old to be kept at all (SQS-434)
        if not message.gone and message.group is not None and queue.grouped_us is None:
            queue.grouped_us = self.now_us

    def send_batch(
        self, name: str, entries: list[dict[str, Any]]
    ) -> tuple[list[tuple[str, Sent]], list[tuple[str, str, str]]]:
        queue = self.find(name)
        check_batch(entries, "SendMessageBatchRequestEntry")
        for entry in entries:
            self.check_fifo_needs(queue, entry, "InvalidParameterValue")  # SQS-186
        failed = []
        for entry in entries:
            try:
                self.check_send(queue, entry)
            except RefusedError as refused:
                if queue.is_fifo and queue.config.fifo_batch_atomic:
                    raise
                failed.append((entry["id"], refused.code, refused.text))
        bad = [ident for ident, _, _ in failed]
        good = [entry for entry in entries if entry["id"] not in bad]
        successful = [(entry["id"], self.accept(queue, entry)) for entry in good]
        queue.request(
            self.now_us, sum(size_of(entry["message_body"], entry.get("message_attributes") or {}) for entry in entries)
        )
        self.wake()  # once all are in
        return successful, failed

    # ---- receiving

    def receive(
        self,
        name: str,
        answers: list[Any],
        *,
        limit: int = 1,
        timeout_s: int | None = None,
        wait_s: int | None = None,
        attempt: str | None = None,
    ) -> None:
        """Append to *answers* the instant and the answer: now, or with the poll that is open from now on."""
        queue, now_us = self.find(name), self.now_us
        if attempt is not None:
            if not queue.is_fifo:  # SQS-360
                raise bad_value(
                    f"Value {attempt} for parameter ReceiveRequestAttemptId is invalid. Reason: {WRONG_TYPE}"
                )
            repeated = self.repeat(queue, attempt, timeout_s)
            if repeated is not None:
                queue.request(now_us, sum(size_of(given.body, given.attributes) for given in repeated))
                answers.append((now_us, repeated))
                self.wake()
                return
        if wait_s is None:
            wait_s = queue.number("ReceiveMessageWaitTimeSeconds")  # SQS-206
        is_full = len(queue.in_state("in flight", now_us)) >= queue.inflight_limit
        if is_full and not wait_s and not queue.is_fifo and queue.config.overlimit == "error":  # SQS-410
            text = (
                "Too many messages have been received without being deleted. Please delete your received messages or "
                "let them timeout before receiving more."
            )
            raise RefusedError("OverLimit", text)
        found = self.select(queue, limit, timeout_s)
        if found or not wait_s:
            self.answer(queue, found, attempt, answers)
        else:  # SQS-207
            self.polls.append(Poll(queue, limit, timeout_s, now_us + wait_s * SECOND_US, attempt, answers))
        self.wake()

    def answer(self, queue: ModelQueue, found: list[Given], attempt: str | None, answers: list[Any]) -> None:
        queue.request(self.now_us, sum(size_of(given.body, given.attributes) for given in found))
        queue.note(self.now_us, "received", len(found))
        if not found:
            queue.note(self.now_us, "empty")  # SQS-217
        if attempt is not None:
            self.remember_attempt(queue, attempt, found)
        answers.append((self.now_us, found))

    def wake(self) -> None:
        """Serve open polls, those that began first, until nobody can be served (SQS-208, SQS-209)."""
        is_moving = True
        while is_moving:
            is_moving = False
            for poll in self.polls:
                stirs = self.stirs
                found = self.select(poll.queue, poll.limit, poll.timeout_s)
                if found:
                    self.polls.remove(poll)
                    self.answer(poll.queue, found, poll.attempt, poll.answers)
                if self.stirs > stirs:  # look again from the first poll on: there may be something for it now
                    is_moving = True
                    break

    def select(self, queue: ModelQueue, limit: int, timeout_s: int | None) -> list[Given]:
        """Deliver, and move on the way what was delivered often enough (SQS-202, SQS-430)."""
        now_us = self.now_us
        if timeout_s is None:
            timeout_s = queue.number("VisibilityTimeout")  # SQS-240: of this instant
        limit = min(limit, queue.inflight_limit - len(queue.in_state("in flight", now_us)))  # SQS-412
        found: list[Given] = []

        def look_at(message: Msg) -> None:
            target = self.target_of(queue, message)
            if target is not None:
                self.move(queue, message, target)
            else:
                found.append(self.deliver(queue, message, timeout_s))

        if queue.is_fifo:
            there = list(queue.messages)  # what comes back to this very queue is not looked at again (SQS-107)
            done: list[str | None] = []
            while len(found) < limit:
                places = [m for m in there if not m.gone and m.state(now_us) != "delayed"]
                window = places[: queue.config.fifo_scan_window]  # SQS-331; moves make room in it
                runs = [run for run in queue.eligible(now_us) if run[0] in window and run[0].group not in done]
                if not runs:
                    break
                run = min(runs, key=lambda run: (run[0].since_us, run[0].seq))  # SQS-324
                done.append(run[0].group)
                for message in run:  # SQS-323
                    if len(found) < limit:
                        look_at(message)
            return found
        noisy = queue.noisy(now_us)
        visible = queue.in_state("visible", now_us)
        quiet = [message for message in visible if message.group not in noisy]
        for message in sorted(quiet, key=queue.rank):  # SQS-300
            if len(found) < limit:
                look_at(message)
        ranked = sorted((message for message in visible if message.group in noisy), key=queue.rank)
        flying = [message.group for message in queue.in_state("in flight", now_us)]
        while ranked and len(found) < limit:  # SQS-312: the picks of this receive count as in flight
            picked = [given.group for given in found]
            message = min(ranked, key=lambda m: flying.count(m.group) + picked.count(m.group))  # of equals, by rank
            ranked.remove(message)
            look_at(message)
        return found

    def deliver(self, queue: ModelQueue, message: Msg, timeout_s: int) -> Given:
        """SQS-203."""
        now_us = self.now_us
        self.stirs += 1
        message.count += 1
        message.own_count += 1
        message.first_us = now_us if message.first_us is None else message.first_us
        message.received_us = now_us
        message.deadline_us = now_us + timeout_s * SECOND_US
        message.was_changed = False
        message.handle = Handle(queue.name, message, message.own_count)
        return self.given(queue, message)

    def given(self, queue: ModelQueue, message: Msg) -> Given:
        return Given(
            message.number,
            message.handle,
            message.body,
            message.count,
            message.sent_us,
            message.first_us,
            message.group,
            message.deduplication_id,
            message.seq,
            message.trace,
            message.source,
            message.attributes,
            queue.is_fifo,
        )

    def target_of(self, queue: ModelQueue, message: Msg) -> ModelQueue | None:
        """Where a redrive policy sends the message now (SQS-431, SQS-436)."""
        policy = self.policy_of(queue)
        if policy is None or message.own_count < policy[1]:
            return None
        return self.queues.get(policy[0])

    def move(self, queue: ModelQueue, message: Msg, target: ModelQueue) -> None:
        """SQS-433 to SQS-437."""
        now_us = self.now_us
        self.stirs += 1
        queue.leave(message, "moved")
        queue.note(now_us, "moved")
        target.seq += 1
        target.note(now_us, "arrived")
        self.line_up(
            target,
            Msg(
                message.number,
                message.body,
                message.attributes,
                message.trace,
                message.group,
                message.number if queue.is_fifo else None,
                sent_us=message.sent_us,
                base_us=now_us if queue.is_fifo else message.base_us,
                entered_us=now_us,
                available_us=now_us,
                rank_us=now_us,
                seq=target.seq,
                count=message.count,
                first_us=message.first_us,
                source=queue.name,
            ),
        )

    # ---- attempts

    def attempt(self, queue: ModelQueue, name: str) -> Attempt | None:
        for attempt in queue.attempts:
            if attempt.name == name and self.now_us - attempt.first_us < ATTEMPT_S * SECOND_US:
                return attempt
        return None

    def remember_attempt(self, queue: ModelQueue, name: str, found: list[Given]) -> None:
        """SQS-363."""
        handles = [given.handle for given in found]
        known = self.attempt(queue, name)
        if known is None:
            queue.attempts.append(Attempt(name, self.now_us, handles))
        else:
            known.handles = handles

    def repeat(self, queue: ModelQueue, name: str, timeout_s: int | None) -> list[Given] | None:
        """Answer as the first time, if this receive is a repetition (SQS-361 to SQS-363)."""
        now_us = self.now_us
        attempt = self.attempt(queue, name)
        if attempt is None or not attempt.handles:
            return None
        for handle in attempt.handles:
            message = handle.message
            if message.gone or message.was_changed or message.handle is not handle:
                raise bad_value(
                    f"Value {name} for parameter ReceiveRequestAttemptId is invalid. Reason: The "
                    "receiveRequestAttemptId is not valid anymore since the receive call is not retryable."
                )
        if any(handle.message.state(now_us) != "in flight" for handle in attempt.handles):
            return None
        if timeout_s is None:
            timeout_s = queue.number("VisibilityTimeout")
        for handle in attempt.handles:
            handle.message.deadline_us = now_us + timeout_s * SECOND_US
        return [self.given(queue, handle.message) for handle in attempt.handles]

    # ---- deleting

    def resolve(self, queue: ModelQueue, handle: Handle) -> Msg:
        """SQS-246, SQS-272."""
        if handle.message is None:
            raise bad_handle(f'The input receipt handle "{handle.text}" is not a valid receipt handle.')
        if handle.queue != queue.name:
            raise bad_handle(f'The receipt handle "{handle.text}" is not valid for this queue.')
        return handle.message

    def delete(self, name: str, handle: Handle) -> None:
        queue = self.find(name)
        reason = "The receipt handle has expired."
        self.delete_one(
            queue, handle, bad_value(f"Value {handle.text} for parameter ReceiptHandle is invalid. Reason: {reason}")
        )
        queue.request(self.now_us)
        self.wake()

    def delete_one(self, queue: ModelQueue, handle: Handle, expired: RefusedError) -> None:
        now_us = self.now_us
        message = self.resolve(queue, handle)
        is_current = message.handle is handle
        if not message.gone:
            if queue.is_fifo and not (is_current and now_us < message.deadline_us):
                raise expired  # SQS-275
            if is_current or queue.config.stale_delete == "delete":  # SQS-273, SQS-274
                queue.leave(message, "deleted")
                queue.note(now_us, "deleted")
        queue.note(now_us, "delete")  # SQS-276, SQS-601

    def delete_batch(
        self, name: str, entries: list[tuple[str, Handle]]
    ) -> tuple[list[str], list[tuple[str, str, str]]]:
        queue = self.find(name)
        check_batch([{"id": ident} for ident, _ in entries], "DeleteMessageBatchRequestEntry")
        successful, failed = [], []
        for ident, handle in entries:  # SQS-188
            try:
                self.delete_one(queue, handle, bad_handle("The receipt handle has expired"))
            except RefusedError as refused:
                failed.append((ident, refused.code, refused.text))
            else:
                successful.append(ident)
        queue.request(self.now_us)
        self.wake()
        return successful, failed

    # ---- visibility

    def change(self, name: str, handle: Handle, timeout_s: int) -> None:
        queue = self.find(name)
        reason = "Must be between 0 and 43200."  # SQS-243
        out = bad_value(f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: {reason}")
        self.change_one(queue, handle, timeout_s, out)
        queue.request(self.now_us)
        self.wake()

    def change_one(self, queue: ModelQueue, handle: Handle, timeout_s: int, out_of_range: RefusedError) -> None:
        """SQS-245."""
        now_us = self.now_us
        if not 0 <= timeout_s <= VISIBILITY_MAX_S:
            raise out_of_range
        message = self.resolve(queue, handle)
        reason = "Message does not exist or is not available for visibility timeout change."
        lost = bad_value(f"Value {handle.text} for parameter ReceiptHandle is invalid. Reason: {reason}")
        is_current = message.handle is handle
        is_flying = message.state(now_us) == "in flight"
        if message.gone:
            raise lost  # SQS-247
        if queue.is_fifo and not (is_current and is_flying):
            raise lost  # SQS-250
        if not is_current and queue.config.stale_change_visibility == "error":
            raise lost  # SQS-249
        if not is_flying:  # SQS-248
            if queue.config.strict_not_inflight:
                text = "The specified message isn't in flight."
                raise RefusedError("AWS.SimpleQueueService.MessageNotInflight", text)
            return
        by_first = queue.config.visibility_total_base == "first_receive"
        since_us = message.first_us if by_first else message.received_us
        if now_us - since_us + timeout_s * SECOND_US > VISIBILITY_MAX_S * SECOND_US:  # SQS-244
            reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            raise bad_value(f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: {reason}")
        message.deadline_us = now_us + timeout_s * SECOND_US  # SQS-241
        message.was_changed = True

    def change_batch(
        self, name: str, entries: list[tuple[str, Handle, int]]
    ) -> tuple[list[str], list[tuple[str, str, str]]]:
        queue = self.find(name)
        check_batch([{"id": ident} for ident, _, _ in entries], "ChangeMessageVisibilityBatchRequestEntry")
        successful, failed = [], []
        for ident, handle, timeout_s in entries:
            out = bad_value("VisibilityTimeout must be an integer between 0 and 43200.")  # SQS-189
            try:
                self.change_one(queue, handle, timeout_s, out)
            except RefusedError as refused:
                failed.append((ident, refused.code, refused.text))
            else:
                successful.append(ident)
        queue.request(self.now_us)
        self.wake()
        return successful, failed

    # ---- move tasks

    def start_task(self, source_name: str, destination: str | None, rate: int | None) -> Task:
        """SQS-460 to SQS-463; a mistaken rate or a malformed ARN is not tried."""
        if source_name == destination:
            raise bad_value("Source queue arn and destination queue arn cannot be the same.")
        source = self.queues.get(source_name)
        if source is None:
            raise no_resource("SourceArn")
        if not self.sources_of(source_name):
            raise bad_value("Source queue must be configured as a Dead Letter Queue.")
        if destination is not None and destination not in self.queues:
            raise no_resource("DestinationArn")
        if destination is not None and destination.endswith(".fifo") != source_name.endswith(".fifo"):
            raise bad_value("The source queue and destination queue must be of the same queue type.")
        if any(task.source is source and task.status == "RUNNING" for task in self.tasks):
            text = (
                "There is already a task running. Only one active task is allowed for a source queue arn at a given "
                "time."
            )
            raise bad_value(text)
        self.planned += 1
        visible = len(source.in_state("visible", self.now_us))
        task = Task(source, destination, rate, self.now_us, visible, self.planned)
        self.tasks.append(task)
        source.request(self.now_us)
        self.happen()  # its first step is now
        return task

    def take_steps(self) -> None:
        """SQS-462, SQS-463, SQS-465."""
        due = [task for task in self.tasks if task.status == "RUNNING" and task.next_us <= self.now_us]
        for task in sorted(due, key=lambda task: task.planned):
            self.take_step(task)
            task.steps += 1
            self.planned += 1
            task.planned = self.planned

    def take_step(self, task: Task) -> None:
        source, now_us = task.source, self.now_us
        if source.deleted_us is not None:
            task.status, task.reason = "FAILED", "AWS.SimpleQueueService.NonExistentQueue"
            return
        if source.is_fifo:
            movable = sorted((run[0] for run in source.eligible(now_us)), key=lambda message: message.seq)
        else:
            movable = sorted(source.in_state("visible", now_us), key=source.rank)
        if not movable:
            task.status = "COMPLETED"
            return
        message = movable[0]
        destination = message.source if task.destination is None else task.destination
        if destination is None:
            task.status, task.reason = "FAILED", "CouldNotDetermineMessageSource"
            return
        if destination not in self.queues:
            task.status, task.reason = "FAILED", "AWS.SimpleQueueService.NonExistentQueue"
            return
        target = self.queues[destination]
        source.leave(message, "redriven")
        for kind in ("redriven", "received", "delete"):  # SQS-603
            source.note(now_us, kind)
        arrived = self.enter(  # a new message (SQS-464)
            target, message.body, message.attributes, message.trace, message.group, message.deduplication_id, delay_s=0
        )
        target.note(now_us, "sent")
        target.note(now_us, "size", size_of(arrived.body, arrived.attributes))
        target.sends.append((now_us, arrived.group))
        task.moved += 1

    def cancel_task(self, task: Task) -> int:
        """SQS-466."""
        if task.source.name not in self.queues:
            raise no_resource("SourceArn")
        if task.status != "RUNNING":
            raise RefusedError("ResourceNotFoundException", "Task does not exist.")
        task.status = "CANCELLED"
        task.source.request(self.now_us)
        return task.moved

    def list_tasks(self, name: str, limit: int) -> list[Task]:
        """SQS-468."""
        if name not in self.queues:
            raise no_resource("SourceArn")
        self.queues[name].request(self.now_us)
        return [task for task in reversed(self.tasks) if task.source.name == name][:limit]

    # ---- ours

    def redeliver(self, message: Msg) -> None:
        """An in-flight message of a standard queue comes back now; whoever holds it goes on holding it."""
        message.deadline_us = self.now_us
        self.wake()


def same_value(attribute: str, given: str, current: str | None) -> bool:
    """SQS-041: as numbers, truth values or JSON."""
    if current is None:
        return False
    if attribute == "RedrivePolicy":
        left, right = json.loads(given), json.loads(current)
        return {**left, "maxReceiveCount": int(left["maxReceiveCount"])} == {
            **right,
            "maxReceiveCount": int(right["maxReceiveCount"]),
        }
    return given.lower() == current.lower() if not given.isdigit() else int(given) == int(current)


def check_batch(entries: list[dict[str, Any]], shape: str) -> None:
    """SQS-181, in the order of SQS-182."""
    prefix = "AWS.SimpleQueueService."
    if not entries:
        raise RefusedError(f"{prefix}EmptyBatchRequest", f"There should be at least one {shape} in the request.")
    if len(entries) > 10:
        text = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise RefusedError(f"{prefix}TooManyEntriesInBatchRequest", text)
    for entry in entries:
        if not entry["id"] or not all(c.isascii() and (c.isalnum() or c in "_-") for c in entry["id"]):
            text = (
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long."
            )
            raise RefusedError(f"{prefix}InvalidBatchEntryId", text)
    seen: list[str] = []
    for entry in entries:
        if entry["id"] in seen:
            raise RefusedError(f"{prefix}BatchEntryIdsNotDistinct", f"Id {entry['id']} repeated.")
        seen.append(entry["id"])
